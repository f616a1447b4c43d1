from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.errors import InputError, UsageError
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.gains import __main__ as gains_cli
from tools.gains import ladder as gains
from tools.gains.baseline import SwitchedClassifier
from tools.gains.ladder import Part, Rung, clip_part, measure_gains, preprocessing_part, results_of, windows_part

QUICK = Method(repeats=1, least_s=0.001, least_iterations=1)
SEGMENTS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gains")
    write_clip(folder / "clip.mp4", frames=30)
    write_tiny_model(folder / "m.onnx")
    write_tiny_model(folder / "m.int8.onnx", precision="int8")
    return folder


@pytest.fixture
def classifier(folder: Path):  # type: ignore[no-untyped-def]
    with SwitchedClassifier(folder / "m.onnx", folder / "m.int8.onnx", segments=SEGMENTS) as classifier:
        yield classifier


def list_gains(*arguments: Any, **choices: Any) -> list[Result]:
    return list(measure_gains(*arguments, **choices))


def of_part(results: list[Result], part: str) -> dict[str, Result]:
    return {str(result.settings["rung"]): result for result in results if result.settings["part"] == part}


def test_each_part_has_its_rungs_with_the_model_that_they_run(folder: Path) -> None:
    told: list[str] = []
    results = list_gains(
        folder / "m.onnx",
        folder / "m.int8.onnx",
        folder / "clip.mp4",
        segments=SEGMENTS,
        method=QUICK,
        progress=told.append,
    )
    clip, preprocessing, windows = (of_part(results, part) for part in ("clip", "preprocessing", "windows"))
    assert list(clip) == ["plain", "seeking decode", "uint8 crops", "small batches", "overlap", "int8"]
    assert list(preprocessing) == ["plain", "plain, planes first", "toolkit"]
    assert list(windows) == ["plain", "frame reuse", "frame reuse, int8"]
    assert [result.settings["model"] for result in clip.values()] == ["m.onnx"] * 5 + ["m.int8.onnx"]
    assert [result.settings["model"] for result in windows.values()] == ["m.onnx"] * 2 + ["m.int8.onnx"]
    assert clip["plain"].settings == {
        "part": "clip", "rung": "plain", "model": "m.onnx", "segments": 4, "views": "ten", "clip": "clip.mp4"
    }  # fmt: skip
    assert {result.section for result in results} == {"gains"}
    assert len({result.key for result in results}) == len(results)
    assert [line.split(":")[0] for line in told] == [
        f"measuring {p}" for p in ("clip", "preprocessing", "windows")
    ]


def test_without_an_int8_model_its_rungs_are_left_out(folder: Path) -> None:
    long_clip = write_clip(folder / "long.mp4", frames=40)
    results = list_gains(
        folder / "m.onnx", None, folder / "clip.mp4", long_clip=long_clip, segments=3, views="center", method=QUICK
    )
    assert "int8" not in of_part(results, "clip")
    assert list(of_part(results, "windows")) == ["plain", "frame reuse"]
    assert of_part(results, "windows")["plain"].settings["clip"] == "long.mp4"
    assert of_part(results, "clip")["plain"].settings["clip"] == "clip.mp4"


def test_speedups_are_of_the_same_repeat_and_of_one_piece_of_work(classifier: SwitchedClassifier) -> None:
    # The machine was three times slower in the last repeat; ratios do not care.
    times_ms = {
        "plain": [[100.0, 100.0], [100.0], [300.0]],
        "better": [[50.0, 50.0], [50.0], [150.0]],
        "best, of two clips": [[50.0], [40.0], [150.0]],
    }
    rungs = {name: Rung(run=list, count=2 if "two" in name else 1) for name in times_ms}
    part = Part(name="clip", work="Classifying a clip", per="clip", clip=Path("c.mp4"), rungs=rungs)
    plain, better, best = results_of(part, times_ms, classifier)
    assert [m.name for m in plain.measurements] == ["clip_ms"]
    assert plain["clip_ms"].value == 100
    assert plain["clip_ms"].samples == 4
    assert better["speedup_over_plain_times"].repeats == (2, 2, 2)
    assert best["clip_ms"].repeats == (25, 20, 75)
    assert best["speedup_over_plain_times"].repeats == (4, 5, 4)
    assert best["speedup_over_plain_times"].value == 4
    assert (best["speedup_over_plain_times"].low, best["speedup_over_plain_times"].high) == (4, 5)
    assert best["speedup_over_before_times"].repeats == (2, 2.5, 2)
    assert best.facts["before"] == "better"
    assert plain.sentence == better.sentence == ""
    assert best.sentence.endswith("with 'best, of two clips', 4.00 times as fast as the plain way.")


@pytest.mark.slow
def test_a_planted_delay_of_the_plain_way_shows_as_the_gain_of_the_switch_that_leaves_it_out(
    classifier: SwitchedClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = classifier.plain_mean

    def slow(frames: list[np.ndarray], *, small_batches: bool = False) -> np.ndarray:
        time.sleep(0.4)
        return real(frames, small_batches=small_batches)

    monkeypatch.setattr(classifier, "plain_mean", slow)
    part = clip_part(classifier, folder / "clip.mp4", frames=30)
    part = replace(part, rungs={name: part.rungs[name] for name in ("plain", "seeking decode", "uint8 crops")})
    method = Method(repeats=2, least_s=0.001, least_iterations=2)
    times_ms = measure_in_turn({name: rung.run for name, rung in part.rungs.items()}, method)
    found = of_part(results_of(part, times_ms, classifier), "clip")
    assert (found["plain"]["clip_ms"].value or 0) > 400
    assert (found["uint8 crops"]["speedup_over_before_times"].value or 0) > 2
    assert (found["seeking decode"]["speedup_over_before_times"].value or 9) < 2


def test_preprocessing_does_all_of_its_work_and_no_inference(
    classifier: SwitchedClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    cut: list[object] = []
    real_views, real_cut = gains.float_views, gains.cut_crop

    def float_views(*arguments: object, **options: object) -> np.ndarray:
        views = real_views(*arguments, **options)  # type: ignore[arg-type]
        shapes.append(views.shape)
        return views

    def cut_crop(*arguments: object, **options: object) -> None:
        cut.append(options["out"])
        real_cut(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(gains, "float_views", float_views)
    monkeypatch.setattr(gains, "cut_crop", cut_crop)
    part = preprocessing_part(classifier, folder / "clip.mp4")
    classifier.close()
    for rung in part.rungs.values():
        rung.run()
    assert shapes == [(10 * SEGMENTS, 3, 32, 32)] * 2
    assert len(cut) == 5 * SEGMENTS


def test_windows_are_counted_by_the_predictions_that_are_made(
    classifier: SwitchedClassifier, folder: Path
) -> None:
    part = windows_part(classifier, folder / "clip.mp4", predictions=7)
    for rung in part.rungs.values():
        assert len(rung.run()) == rung.count  # type: ignore[arg-type]
    assert part.rungs["plain"].count == 7
    assert part.rungs["frame reuse"].count == SEGMENTS + 6


def test_a_clip_of_too_few_frames_for_its_windows_is_an_input_error(
    classifier: SwitchedClassifier, folder: Path
) -> None:
    with pytest.raises(InputError, match=r"has 30 frames, windows of 4 need 33; choose a longer clip"):
        windows_part(classifier, folder / "clip.mp4", predictions=30)


def test_a_part_that_cannot_be_measured_says_why_and_the_others_go_on(folder: Path) -> None:
    short = write_clip(folder / "short.mp4", frames=6)
    results = list_gains(folder / "m.onnx", None, short, segments=SEGMENTS, views="center", method=QUICK)
    *others, windows = results
    assert "has 6 frames, windows of 4 need 9" in windows.error
    assert windows.settings["part"] == "windows"
    assert not any(result.error for result in others)
    assert {result.settings["part"] for result in others} == {"clip", "preprocessing"}


@pytest.mark.parametrize(
    ("choice", "kind", "cause"),
    [
        ({"segments": 0}, UsageError, "--segments: expected 1"),
        ({"views": "twelve"}, UsageError, "unknown plan 'twelve'"),
        ({"long_clip": Path("none.mp4")}, InputError, "none.mp4: there is no such file"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_measured(
    folder: Path, choice: dict[str, Any], kind: type[Exception], cause: str
) -> None:
    told: list[str] = []
    with pytest.raises(kind, match=cause):
        list_gains(folder / "m.onnx", None, folder / "clip.mp4", method=QUICK, progress=told.append, **choice)
    assert not told


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that runs the command, quickly."""

    def quick(repeats: int, least_s: float) -> Method:
        assert (repeats, least_s) == (2, 0.5)
        return QUICK

    monkeypatch.setattr(gains_cli, "new_method", quick)
    app = typer.Typer()
    app.command()(gains_cli.gains)
    options = ["--segments", "2", "--views", "center", "--repeats", "2", "--seconds", "0.5"]
    return lambda *words: CliRunner().invoke(app, [*map(str, words), *options], catch_exceptions=False)


def test_the_command_ends_in_one_line_of_json_and_writes_its_report(command, folder: Path, tmp_path: Path) -> None:
    models = ["--model", folder / "m.onnx", "--int8", folder / "m.int8.onnx"]
    outcome = command(folder / "clip.mp4", *models, "-o", tmp_path / "r.json")
    assert outcome.exit_code == 0, outcome.output
    last = json.loads(outcome.stdout.splitlines()[-1])
    assert any("rung=int8" in name and "speedup_over_plain_times" in name for name in last["figures"])
    report = json.loads((tmp_path / "r.json").read_text())
    assert [result["settings"]["rung"] for result in report["results"]][5] == "int8"
    assert report["results"][5]["sentence"] in outcome.stdout.replace("\n", " ")


def test_a_stopped_command_publishes_the_parts_that_were_measured(
    command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> Part:
        raise KeyboardInterrupt

    monkeypatch.setattr(gains, "windows_part", stopped)
    outcome = command(folder / "clip.mp4", "--model", folder / "m.onnx", "-o", tmp_path / "r.json")
    assert outcome.exit_code == 130
    parts = [result["settings"]["part"] for result in json.loads((tmp_path / "r.json").read_text())["results"]]
    assert set(parts) == {"clip", "preprocessing"}
