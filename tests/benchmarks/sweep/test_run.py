from __future__ import annotations

from pptsn.benchmarks.sweep.cells import Cell, cells_of
from pptsn.benchmarks.sweep.run import SweepProgress, time_left_s


def test_the_rest_is_estimated_by_crops() -> None:
    cells = cells_of(["a.onnx"], views=["ten"], segments=[2, 8])  # 10 and 40 crops, and 10 for the rest of each
    assert time_left_s(cells, 0, 0.5) is None
    assert time_left_s(cells, 1, 4.0) == 4.0 * 50 / 20
    assert time_left_s(cells, 2, 20.0) == 0


def test_it_is_silent_where_standard_error_is_no_terminal(capsys) -> None:  # type: ignore[no-untyped-def]
    cells: list[Cell] = cells_of(["a.onnx"])
    with SweepProgress(cells) as progress:
        progress.before(0, cells[0])
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
