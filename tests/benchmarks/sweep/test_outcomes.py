"""From findings to results, without a process."""

from __future__ import annotations

import pytest

from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.sweep.cells import Cell, FolderRun, cells_of
from pptsn.benchmarks.sweep.clips import Clip, name_of
from pptsn.benchmarks.sweep.outcomes import Outcome, results_of
from tests.benchmarks.sweep.findings import findings

LABELLED = tuple(Clip(f"/{i}.mp4", label=label) for i, label in enumerate((0, 3, 4, 1)))
UNLABELLED = tuple(Clip(clip.path) for clip in LABELLED)
CELLS = cells_of(["a.onnx", "b.onnx"], views=["center", "ten"], segments=[1, 3], batches=[None, 2])


def names(result: Result) -> list[str]:
    return [measurement.name for measurement in result.measurements]


def test_a_result_has_every_figure_with_its_unit_at_the_end() -> None:
    (result,) = results_of([Outcome(CELLS[0], findings(), size_mb=12.5)], LABELLED)
    assert dict(result.settings) == {
        "model": "a.onnx",
        "precision": "fp32",
        "backend": "onnxruntime",
        "device": "cpu",
        "views": "center",
        "segments": 1,
        "batch": "auto",
        "clips": name_of(LABELLED),
    }
    assert {m.name: m.value for m in result.measurements} == {
        "top1_percent": 25.0,  # 0 of 0, 3 in the five of 1, 4 not in 2's, and 3 that was not answered
        "top5_percent": 50.0,
        "latency_p50_ms": 6.0,
        "latency_p90_ms": 10.0,
        "clips_per_s": 7.5,
        "crops_per_s": 37.5,
        "views_per_s": 75.0,
        "peak_memory_mb": 100.0,
        "model_size_mb": 12.5,
        "joules_per_clip": None,
    }
    assert result["latency_p50_ms"].repeats == (5.0, 7.0)
    assert result["joules_per_clip"].note


def test_joules_are_those_of_a_clip() -> None:
    runs = [FolderRun(clips=10, crops=50, seconds=1.0, joules=joules) for joules in (20.0, 30.0, 40.0)]
    (result,) = results_of([Outcome(CELLS[0], findings(folder_runs=runs))], LABELLED)
    assert (result["joules_per_clip"].value, result["joules_per_clip"].repeats) == (3.0, (2.0, 3.0, 4.0))
    runs[1] = FolderRun(clips=10, crops=50, seconds=1.0, joules=None)
    partly = findings(folder_runs=runs, energy_notes=["RAPL: no permission"])
    (result,) = results_of([Outcome(CELLS[0], partly)], LABELLED)
    assert (result["joules_per_clip"].value, result["joules_per_clip"].note) == (None, "RAPL: no permission")


def test_what_each_sensor_told_is_kept_where_the_sum_is_not_known() -> None:
    runs = [
        FolderRun(clips=10, crops=50, seconds=1.0, joules=None, joules_by_source=told)
        for told in ({"GPU 0": 20.0, "package-0": 5.0}, {"GPU 0": 30.0})
    ]
    (result,) = results_of([Outcome(CELLS[0], findings(folder_runs=runs))], LABELLED)
    assert result.facts["joules_per_clip_by_source"] == {"GPU 0": 2.5}


def test_cells_that_differ_in_their_batch_share_their_answers() -> None:
    first = findings(unreadable={"/3.mp4": "is damaged"})
    outcomes = [Outcome(CELLS[0], first), Outcome(CELLS[1], findings(answers=None))]
    one, other = results_of(outcomes, LABELLED)
    assert other["top1_percent"] == one["top1_percent"]
    assert other.facts["answers_of_batch"] == "auto"
    assert other.facts["unreadable_clips"] == ["/3.mp4: is damaged"]
    assert other.facts["unreadable"] == 1


def test_without_labels_cells_are_compared_with_the_first_model_at_its_richest() -> None:
    """Ten views of three segments of a.onnx, whichever cell comes first."""
    answers = {"rich": {0: [5, 1], 1: [2, 1], 2: [3, 1], 3: []}, "same": {0: [5], 1: [2], 2: [0], 3: [1]}}
    cells = cells_of(["a.onnx", "b.onnx"], views=["ten", "center"], segments=[3, 1])
    outcomes = [Outcome(cell, findings(answers=answers["same"])) for cell in cells]
    outcomes[0] = Outcome(cells[0], findings(answers=answers["rich"]))
    results = results_of(outcomes[::-1][4:][::-1] + outcomes[4:], UNLABELLED)
    assert [result["agreement_percent"].value for result in results] == [75.0, *[50.0] * 7]
    assert "a.onnx with ten views of 3 segments" in results[-1]["agreement_percent"].note
    assert "top1_percent" not in names(results[0])


def test_a_label_that_the_model_does_not_have_is_said_instead_of_counted() -> None:
    (result,) = results_of([Outcome(CELLS[0], findings(classes=4))], LABELLED)
    assert (result["top1_percent"].value, result["top5_percent"].value) == (None, None)
    assert "label 4, the model has classes 0 to 3" in result["top1_percent"].note


def test_a_failed_cell_has_its_error_and_the_key_that_it_would_have_had() -> None:
    ok, failed, lost = results_of(
        [
            Outcome(CELLS[0], findings()),
            Outcome(CELLS[1], error="its process was ended by SIGKILL"),
            Outcome(CELLS[-1], error="b.onnx: is damaged"),
        ],
        LABELLED,
    )
    assert (failed.error, failed.measurements) == ("its process was ended by SIGKILL", ())
    assert {**ok.settings, "batch": 2} == dict(failed.settings)
    assert (lost.settings["model"], lost.settings["precision"], lost.settings["device"]) == (
        "b.onnx",
        None,
        "auto",
    )


@pytest.mark.parametrize(
    ("backend", "device"),
    [
        ("onnxruntime", "cuda:1"),
        ("onnxruntime-tensorrt", "cuda:0"),
        ("tensorrt", "cuda:0"),
        ("tensorrt-rtx", "cuda:0"),
        ("onnxruntime", "cpu"),
    ],
)
def test_backend_and_device_are_those_that_it_ran_on(backend: str, device: str) -> None:
    cell = Cell(model=CELLS[0].model)
    (result,) = results_of([Outcome(cell, findings(backend=backend, device=device))], LABELLED)
    assert (cell.backend, cell.device) == ("auto", "auto")
    assert (result.settings["backend"], result.settings["device"]) == (backend, device)
    assert bool(result["peak_memory_mb"].note) == device.startswith("cuda")


def test_the_cell_to_take_says_so() -> None:
    slow = findings(latency_ms=[[100.0] * 10] * 2)
    results = results_of([Outcome(CELLS[0], slow), Outcome(CELLS[1], findings(answers=None))], LABELLED)
    assert [bool(result.sentence) for result in results] == [False, True]
    assert results_of([], LABELLED) == []
