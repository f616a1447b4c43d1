from pathlib import Path

import numpy as np
import onnx
import pytest

from pptsn.convert.int8 import calibration
from pptsn.convert.int8.calibration import CalibrationCache, observe
from pptsn.runtime.base.errors import ModelError
from tests.convert.residual_network import residual_model, residual_network, views

TENSORS = ["views", "c", "e"]


def test_ranges_are_those_of_the_tensors() -> None:
    batch = views(10)
    found = observe(residual_network(), TENSORS, batch)
    assert found["views"].low == batch.min()
    assert found["views"].high == batch.max()
    assert found["c"].low == 0  # behind a Relu
    assert found["c"].counts.sum() == 10 * 16 * 4 * 4


def test_progress_ends_with_all_views() -> None:
    seen: list[tuple[int, int]] = []
    observe(residual_network(), TENSORS, views(10), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)


def test_what_was_observed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CalibrationCache(tmp_path)
    first = cache.observe(residual_network(), TENSORS, views(8))
    monkeypatch.setattr(calibration, "observe", None)
    again = cache.observe(residual_network(), TENSORS, views(8))
    assert list(again) == TENSORS
    for name, histogram in first.items():
        assert (again[name].low, again[name].high, again[name].limit) == (
            histogram.low,
            histogram.high,
            histogram.limit,
        )
        assert np.array_equal(again[name].counts, histogram.counts)


@pytest.mark.parametrize("change", ["network", "tensors", "frames"])
def test_anything_else_is_observed_anew(tmp_path: Path, change: str) -> None:
    cache = CalibrationCache(tmp_path)
    cache.observe(residual_network(), TENSORS, views(8))
    network = residual_network(seed=1) if change == "network" else residual_network()
    tensors = TENSORS[:2] if change == "tensors" else TENSORS
    cache.observe(network, tensors, views(8, seed=1) if change == "frames" else views(8))
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    cache = CalibrationCache(tmp_path)
    first = cache.observe(residual_network(), TENSORS, views(8))
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:200])
    assert cache.observe(residual_network(), TENSORS, views(8))["c"].high == first["c"].high
    with np.load(entry) as stored:
        assert len(stored["names"]) == 3


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = CalibrationCache(tmp_path / "file").observe(residual_network(), TENSORS, views(8))
    assert found["c"].high > 0


def test_a_network_of_broken_weights_is_named_by_its_tensor() -> None:
    model = residual_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "same1_b")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(8, np.nan, np.float32), "same1_b"))
    with pytest.raises(ModelError, match="'e' holds values that are not finite"):
        observe(residual_network(model), TENSORS, views(4))
