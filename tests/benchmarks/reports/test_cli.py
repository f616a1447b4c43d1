from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pptsn.benchmarks.measure.documents import write_report
from pptsn.benchmarks.measure.results import Result as Found
from pptsn.cli.bench.compare import compare
from pptsn.cli.bench.report import report as report_command
from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError
from tests.benchmarks.reports.fabricated import live, report, results, scenario, stages


def invoke(*arguments: object) -> Result:
    app = typer.Typer()
    app.command("report")(report_command)
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_line(ending: Result) -> dict[str, object]:
    document = json.loads(ending.stdout.splitlines()[-1])
    assert isinstance(document, dict)
    return document


def few(slower: dict[str, float] | None = None) -> list[Found]:
    """Results of a few sections: a page of all takes seconds to draw."""
    return [*live(), stages("archery.avi", slower=slower), stages("long.mp4", slower=slower)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Reports: `base`, `same`, `slow` (one stage by 20 %), `other` (nothing in common)."""
    reports = {
        "base": report(few()),
        "same": report(few()),
        "slow": report(few({"resize": 1.2})),
        "other": report([scenario("elsewhere")]),
    }
    paths = {name: tmp_path / f"{name}.json" for name in reports}
    for name, found in reports.items():
        write_report(found, paths[name])
    return paths


def test_comparing_with_the_same_figures_ends_well(files: dict[str, Path]) -> None:
    ending = invoke("compare", files["base"], files["same"])
    assert ending.exit_code == 0, ending.output
    document = last_line(ending)
    assert (document["regressions"], document["improvements"]) == (0, 0)
    assert document["unchanged"] == 1 + 2 * 11


# Of the first release; what their sections `targets` and `gains` tell is no longer measured by `pptsn bench`.
OLD_REPORTS = sorted((Path(__file__).parents[3] / "tools" / "results").glob("*-2026-11-23.json"))


def test_there_are_reports_of_the_first_release() -> None:
    assert len(OLD_REPORTS) == 3


@pytest.mark.parametrize("path", OLD_REPORTS, ids=lambda path: path.stem)
def test_reports_of_the_first_release_are_shown_and_compared(path: Path, tmp_path: Path) -> None:
    found = json.loads(path.read_text())["results"]
    ending = invoke("report", path, "-o", tmp_path / "r.md")
    assert ending.exit_code == 0, ending.output
    assert f"commit {json.loads(path.read_text())['machine']['commit'][:10]}" in (tmp_path / "r.md").read_text()
    ending = invoke("compare", path, path)
    assert ending.exit_code == 0, ending.output
    document = last_line(ending)
    measured = [each for result in found for each in result["measurements"] if each["value"] is not None]
    judged = sum(bool(each["better"]) for each in measured)
    assert (document["regressions"], document["unchanged"]) == (0, judged)


def test_a_planted_slowdown_fails_the_comparison_and_is_named(files: dict[str, Path]) -> None:
    ending = invoke("compare", files["base"], files["slow"])
    assert ending.exit_code == 1
    assert "archery.avi, segments 25, views ten: resize got 20 % slower" in ending.stdout
    document = last_line(ending)
    assert document["regressions"] == 2
    assert document["comparisons"][0]["regressions"][0].startswith("stages resnet50.int8.onnx, archery.avi")  # type: ignore[index]


def test_the_bound_decides(files: dict[str, Path]) -> None:
    assert invoke("compare", files["base"], files["slow"], "--max-regression", 25).exit_code == 0
    assert invoke("compare", files["base"], files["slow"], "--max-regression", -1).exit_code == 2


def test_any_of_several_reports_can_fail(files: dict[str, Path]) -> None:
    ending = invoke("compare", files["base"], files["same"], files["slow"])
    assert ending.exit_code == 1
    assert [each["new"] for each in last_line(ending)["comparisons"]] == ["same", "slow"]  # type: ignore[attr-defined]


def test_raw_judges_what_was_measured(tmp_path: Path) -> None:
    base, new = tmp_path / "a.json", tmp_path / "b.json"
    write_report(report([stages("a.avi")], probe_ms=4.0), base)
    slower = dict.fromkeys(("resize", "compute"), 1.5)
    write_report(report([stages("a.avi", slower=slower)], probe_ms=6.0), new)
    assert "50 % SLOWER" in invoke("compare", base, new).stdout
    assert "resize" in invoke("compare", base, new, "--raw").stdout
    assert invoke("compare", base, new).exit_code == 0
    assert invoke("compare", base, new, "--raw").exit_code == 1


@pytest.mark.parametrize("names", [["base"], ["base", "other"]])
def test_nonsense_is_wrong_usage(files: dict[str, Path], names: list[str]) -> None:
    ending = invoke("compare", *(files[name] for name in names))
    assert isinstance(ending.exception, UsageError)
    assert ending.exception.exit_code == 2


def test_a_file_that_is_no_report_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{}")
    ending = invoke("compare", files["base"], tmp_path / "odd.json")
    assert isinstance(ending.exception, InputError)
    assert "is no report" in str(ending.exception)


def test_a_report_is_not_overwritten_by_its_comparison(files: dict[str, Path]) -> None:
    before = files["base"].read_bytes()
    ending = invoke("compare", files["base"], files["same"], "-o", files["base"])
    assert isinstance(ending.exception, UsageError)
    assert files["base"].read_bytes() == before


def test_a_comparison_is_written_by_its_endings(files: dict[str, Path], tmp_path: Path) -> None:
    outputs = [tmp_path / f"c{ending}" for ending in (".html", ".md", ".json")]
    options = [part for output in outputs for part in ("-o", output)]
    assert invoke("compare", files["base"], files["slow"], *options).exit_code == 1
    page, markdown, document = (output.read_text() for output in outputs)
    assert "slow against base: 2 worse" in page
    assert "slow against base: 2 worse" in markdown
    assert "WORSE" in markdown
    (comparison,) = json.loads(document)["comparisons"]
    assert {verdict["outcome"] for verdict in comparison["verdicts"]} == {"unchanged", "regression"}


def test_reports_are_shown_and_written(files: dict[str, Path], tmp_path: Path) -> None:
    write_report(report(results()), files["base"])
    ending = invoke("report", files["base"], "-o", tmp_path / "r.md", "--plots", tmp_path / "p")
    assert ending.exit_code == 0, ending.output
    assert "Where the time goes" in ending.stdout
    written = [Path(name) for name in last_line(ending)["written"]]  # type: ignore[attr-defined]
    assert {path.name for path in written} >= {"r.md", "stages.png", "sweep-accuracy.png"}
    assert all(path.stat().st_size > 1000 for path in written)


def test_reports_without_a_common_case_are_still_shown_together(files: dict[str, Path], tmp_path: Path) -> None:
    ending = invoke("report", files["base"], files["other"], "-o", tmp_path / "r.html")
    assert ending.exit_code == 0, ending.output
    assert "no case in common" in ending.output
    assert "All of other" in (tmp_path / "r.html").read_text()


def test_a_page_without_its_packages_names_the_command(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for options in (["-o", tmp_path / "r.html"], ["--plots", tmp_path]):
        ending = invoke("report", files["base"], *options)
        assert isinstance(ending.exception, MissingDependencyError)
        assert "pip install 'pptsn[bench]'" in str(ending.exception)
    assert invoke("report", files["base"], "-o", tmp_path / "r.md").exit_code == 0
