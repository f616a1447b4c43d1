from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pptsn.benchmarks.measure.documents import read_report
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import called, check_outputs, gathered, kept_in, publish
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError
from tests.benchmarks.reports.fabricated import figure, live, results, scenario, stages


@pytest.fixture
def method() -> Method:
    return Method()


def test_tables_come_first_and_one_line_of_json_last(method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    report = publish(results(), outputs=None, method=method, command="pptsn bench run", top_line="Take this one.")
    *shown, last = capsys.readouterr().out.splitlines()
    text = "\n".join(shown)
    assert text.index("Scenarios") < text.index("Live streams") < text.index("Where the time goes")
    assert text.index("Targets") < text.index("6 streams of 30 frames") < text.index("Take this one.")
    document = json.loads(last)
    assert document["schema"] == "pptsn.bench"
    assert document["version"] == 1
    assert document["figures"] == report.figures()
    assert document["machine"]["cores"] == report.machine["cores"]
    assert any("no ONNX file" in error for error in document["errors"].values())
    assert document["top_line"] == "Take this one."


def test_outputs_are_written_by_their_endings(
    tmp_path: Path, method: Method, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [str(tmp_path / name) for name in ("r.html", "r.md", "r.json")]
    report = publish([*live(), stages("a.avi")], outputs=outputs, method=method)
    assert read_report(outputs[2]).results == report.results
    assert "| stage |" in Path(outputs[1]).read_text()
    assert Path(outputs[0]).read_text().startswith("<!doctype html>")


@pytest.mark.slow
def test_a_killed_run_has_kept_what_there_was(tmp_path: Path, method: Method) -> None:
    outputs = [str(tmp_path / "r.json"), str(tmp_path / "r.html")]
    kept = []

    def measured() -> Iterator[Result]:
        for result in results():
            yield result
            kept.append(len(read_report(outputs[0]).results))

    found, _ = gathered(measured(), keep=kept_in(outputs, method))
    assert kept == list(range(1, len(found) + 1))
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_an_interrupted_run_publishes_what_there_is(method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    publish([], outputs=[], method=method, top_line={"streams": None})
    last = capsys.readouterr().out.splitlines()[-1]  # a busy machine is warned of before it
    assert json.loads(last)["figures"] == {}
    assert json.loads(last)["top_line"] == {"streams": None}


@pytest.mark.parametrize("at_terminal", [False, True])
def test_the_line_for_programs_is_not_shown_to_people(
    method: Method, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: at_terminal)
    publish(live(), outputs=None, method=method)
    shown = capsys.readouterr().out
    assert live()[0].sentence.split()[0] in shown
    assert ('"schema":' in shown) is not at_terminal


def test_a_sentence_that_was_told_is_not_told_again(method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    found = [result for result in results() if result.section == "live"]
    publish(found, outputs=None, method=method, top_line=found[0].sentence)
    *shown, _ = capsys.readouterr().out.splitlines()
    assert sum(found[0].sentence in line for line in shown) == 1


def test_an_output_that_nobody_checked_does_not_lose_the_others(
    tmp_path: Path, method: Method, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"r\.pdf has no ending"):
        publish(live(), outputs=[str(tmp_path / "r.pdf"), str(tmp_path / "r.json")], method=method)
    assert read_report(tmp_path / "r.json").results == tuple(live())
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]


def test_a_file_that_cannot_be_written_does_not_lose_the_others(
    tmp_path: Path, method: Method, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").mkdir()
    with pytest.raises(UsageError, match=r"r\.json is a folder"):
        publish(results(), outputs=[str(tmp_path / "r.json"), str(tmp_path / "r.md")], method=method)
    assert (tmp_path / "r.md").exists()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]


def test_a_full_disk_does_not_lose_the_figures(
    tmp_path: Path, method: Method, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        publish(live(), outputs=[str(tmp_path / "r.json")], method=method)
    assert list(tmp_path.iterdir()) == []
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]


def test_what_is_no_number_is_not_in_the_last_line(method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    publish([scenario("offline", figure("views_per_s", float("nan")))], outputs=None, method=method)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "NaN" not in last
    json.loads(last)


@pytest.mark.parametrize(
    ("name", "message"),
    [("r.pdf", r"expected NAME\.json, NAME\.md, NAME\.html"), ("json", "no ending"), ("none/r.json", "no folder")],
)
def test_nonsense_outputs_are_refused_before_measuring(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_outputs([str(tmp_path / "good.json"), str(tmp_path / name)])


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "r.json").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_outputs([str(tmp_path / "r.json")])


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_page_without_its_packages_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    check_outputs([str(tmp_path / "r.json"), str(tmp_path / "r.md")])
    with pytest.raises(MissingDependencyError, match=rf"{package}.*pip install 'pptsn\[bench\]'"):
        check_outputs([str(tmp_path / "r.html")])


def test_checking_outputs_loads_neither_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("jinja2", "matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    check_outputs([str(tmp_path / "r.html")])
    assert not {"jinja2", "matplotlib"} & set(sys.modules)


def test_the_command_names_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setattr(
        sys, "argv", ["/home/somebody/bin/pptsn", "bench", "/home/somebody/my clips/a.onnx", "b c"]
    )
    assert called() == "pptsn bench ~/'my clips/a.onnx' 'b c'"
