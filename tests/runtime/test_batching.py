import numpy as np
import pytest

from runtime.batching import CropBatcher
from runtime.engines import Engine
from runtime.preprocess import crop_views
from tests.models import tiny_spec


class RecordingEngine(Engine):
    """Gives each crop's mean colour, and remembers how many crops each call had."""

    def __init__(self, *, mirror: bool = True, batch_size: int = 5) -> None:
        self.spec = tiny_spec(mirror=mirror)
        self.description = "recording"
        self.batch_size = batch_size
        self.calls: list[int] = []

    def _infer(self, crops: np.ndarray) -> np.ndarray:
        self.calls.append(len(crops))
        colours = crops.mean(axis=(1, 2)).astype(np.float32)
        return np.concatenate([colours, colours[:, :1]], axis=1)

    def close(self) -> None:
        pass


def picture(seed: int, width: int = 53, height: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mean_of_crops(frame: np.ndarray, views: str, *, mirror: bool = True) -> np.ndarray:
    height, width = frame.shape[:2]
    cuts = crop_views(views, width, height, size=32, mirror_in_graph=mirror)
    return np.mean([frame[v.y : v.y + 32, v.x : v.x + 32].mean(axis=(0, 1)) for v in cuts], axis=0)


def test_crops_of_several_clips_and_sizes_share_batches() -> None:
    engine = RecordingEngine(batch_size=4)
    batcher = CropBatcher(engine, views="three")
    frames = {0: picture(0), 1: picture(1, 40, 90), 2: picture(2, 64, 48)}
    for clip, frame in frames.items():
        batcher.add(clip, frame, 1)
    assert engine.calls == [4, 4]
    assert [batcher.is_complete(clip) for clip in frames] == [True, True, False]
    batcher.flush()
    assert engine.calls == [4, 4, 1]
    for clip, frame in frames.items():
        gathered = batcher.take(clip)
        assert gathered is not None
        np.testing.assert_allclose(gathered.mean()[:3], mean_of_crops(frame, "three"), rtol=1e-6)


def test_a_frame_counts_as_often_as_it_was_chosen() -> None:
    batcher = CropBatcher(RecordingEngine(), views="ten")
    first, second = picture(0), picture(1)
    batcher.add(0, first, 3)
    batcher.add(0, second, 1)
    batcher.flush()
    gathered = batcher.take(0)
    assert gathered is not None
    expected = (3 * mean_of_crops(first, "ten") + mean_of_crops(second, "ten")) / 4
    np.testing.assert_allclose(gathered.mean()[:3], expected, rtol=1e-6)


@pytest.mark.parametrize(("mirror", "crops"), [(True, 5), (False, 10)])
def test_ten_crop_is_five_crops_where_the_graph_mirrors(mirror: bool, crops: int) -> None:
    engine = RecordingEngine(mirror=mirror, batch_size=100)
    batcher = CropBatcher(engine, views="ten")
    batcher.add(0, picture(0), 1)
    batcher.flush()
    assert engine.calls == [crops]


def test_what_was_taken_is_forgotten() -> None:
    batcher = CropBatcher(RecordingEngine(), views="center")
    batcher.add(7, picture(0), 1)
    batcher.flush()
    assert batcher.take(7) is not None
    assert batcher.take(7) is None
    assert batcher.is_complete(7)


def test_flushing_nothing_runs_nothing() -> None:
    engine = RecordingEngine()
    CropBatcher(engine, views="center").flush()
    assert engine.calls == []
