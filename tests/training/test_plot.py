import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.plot import plot_metrics
from pptsn.training.writing import RunWriter

_EPOCHS = [
    {"kind": "epoch", "epoch": n, "train_loss": 2 / n, "val_loss": 2.2 / n, "val_top1": n / 9, "val_top5": n / 6}
    for n in range(1, 6)
]
_ITERATIONS = [{"kind": "iteration", "epoch": n / 4, "loss": 2.0, "rate": 0.01} for n in range(20)]


def _picture(path, records):
    plot_metrics(records, path, title="a run")
    return cv2.imread(str(path))


def test_the_plot_shows_what_was_recorded(tmp_path):
    empty = _picture(tmp_path / "empty.png", [])
    drawn = _picture(tmp_path / "drawn.png", _ITERATIONS + _EPOCHS)
    assert drawn.shape == empty.shape
    third = len(drawn) // 3
    for panel in range(3):
        rows = slice(panel * third, (panel + 1) * third)
        assert np.any(drawn[rows] != empty[rows])


def test_the_plot_follows_the_metrics(tmp_path):
    better = [{**record, "val_top1": 0.99} for record in _EPOCHS]
    assert np.any(_picture(tmp_path / "a.png", _EPOCHS) != _picture(tmp_path / "b.png", better))


def test_a_missing_matplotlib_shows_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="needs Matplotlib"):
        RunWriter(RunFolder(tmp_path), is_first=True, title="a run")
    assert not list(tmp_path.iterdir())
