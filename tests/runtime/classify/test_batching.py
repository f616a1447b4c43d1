import time

import numpy as np
import pytest

from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import Batch, Engine, EngineIdentity
from pptsn.runtime.frames.views import crop_views
from tests.models import tiny_spec


class RecordingEngine(Engine):
    """Gives each crop's mean colour, and remembers how many crops each call had."""

    def __init__(self, *, mirror: bool = True, batch_size: int = 5) -> None:
        self.spec = tiny_spec(mirror=mirror)
        self.identity = EngineIdentity(backend="recording", precision="fp32")
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


def test_an_owner_that_is_taken_too_early_begins_anew() -> None:
    batcher = CropBatcher(RecordingEngine(batch_size=4), views="three")
    batcher.add(0, picture(0), 5)  # three of the four crops that a batch has
    assert batcher.take(0) is not None
    batcher.add(0, picture(1), 1)
    batcher.flush()
    gathered = batcher.take(0)
    assert gathered is not None
    assert gathered.weight == 3
    np.testing.assert_allclose(gathered.mean()[:3], mean_of_crops(picture(1), "three"), rtol=1e-6)


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


class OverlappingEngine(RecordingEngine):
    """Works on several batches at once: each reads its buffer only when it is collected, and then spoils it."""

    def __init__(self, *, batches: int, batch_size: int = 4) -> None:
        super().__init__(batch_size=batch_size)
        self.lent = batches
        self.closed = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.fails_at: int | None = None

    def new_batches(self, batch_size: int | None = None, *, features: bool = False) -> tuple[Batch, ...]:
        return tuple(OverlappingBatch(self) for _ in range(self.lent))


class OverlappingBatch(Batch):
    def __init__(self, engine: OverlappingEngine) -> None:
        super().__init__(np.full((engine.batch_size, 32, 32, 3), 99, np.uint8))
        self.engine = engine

    def _submit(self, count: int) -> None:
        self.engine.in_flight += 1
        self.engine.most_in_flight = max(self.engine.most_in_flight, self.engine.in_flight)

    def _collect(self, count: int) -> np.ndarray:
        self.engine.in_flight -= 1
        if self.engine.fails_at == len(self.engine.calls):
            raise RuntimeError("the GPU fell off the bus")
        logits = self.engine.infer(self.crops[:count])
        self.crops[:] = 99
        return logits

    def close(self) -> None:
        self.engine.closed += 1


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 100])
def test_batches_in_flight_change_no_answer(batch_size: int) -> None:
    answers = []
    for batches in (1, 2, 3):
        engine = OverlappingEngine(batches=batches, batch_size=batch_size)
        with CropBatcher(engine, views="ten") as batcher:
            for clip in range(9):
                batcher.add(clip, picture(clip), 1)
            batcher.flush()
            sums = [batcher.take(clip) for clip in range(9)]
        answers.append([gathered.mean() for gathered in sums if gathered is not None])
        assert sum(engine.calls) == 45
        assert engine.in_flight == 0
        assert engine.closed == batches
    assert len(answers[0]) == 9
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])
    for clip, answer in enumerate(answers[0]):
        np.testing.assert_allclose(answer[:3], mean_of_crops(picture(clip), "ten"), rtol=1e-6)


def test_the_second_batch_is_filled_while_the_first_is_worked_on() -> None:
    engine = OverlappingEngine(batches=2, batch_size=5)
    with CropBatcher(engine, views="ten") as batcher:
        batcher.add(0, picture(0), 1)
        assert (engine.in_flight, engine.calls) == (1, [])
        assert not batcher.is_complete(0)
        batcher.add(1, picture(1), 1)
        assert batcher.is_complete(0)  # collected as soon as its buffer was needed
        assert not batcher.is_complete(1)
        batcher.flush()
        assert batcher.is_complete(1)
    assert engine.most_in_flight == 2


def test_one_batch_is_collected_at_once() -> None:
    engine = RecordingEngine(batch_size=5)
    with CropBatcher(engine, views="ten") as batcher:
        batcher.add(0, picture(0), 1)
        assert batcher.is_complete(0)


def test_an_error_in_flight_surfaces_and_the_batches_are_given_back() -> None:
    engine = OverlappingEngine(batches=2, batch_size=5)
    engine.fails_at = 1
    with pytest.raises(RuntimeError, match="fell off"), CropBatcher(engine, views="ten") as batcher:
        for clip in range(9):
            batcher.add(clip, picture(clip), 1)
    assert engine.closed == 2


def test_waiting_for_the_engine_is_counted_once() -> None:
    class SlowBatch(OverlappingBatch):
        def _collect(self, count: int) -> np.ndarray:
            time.sleep(0.01)
            return super()._collect(count)

    engine = OverlappingEngine(batches=2, batch_size=5)
    engine.new_batches = lambda batch_size=None, features=False: (SlowBatch(engine), SlowBatch(engine))  # type: ignore[method-assign]
    started_s = time.perf_counter()
    with CropBatcher(engine, views="ten") as batcher:
        for clip in range(6):
            batcher.add(clip, picture(clip), 1)
        batcher.flush()
        total_ms = sum(taken.inference_ms for clip in range(6) if (taken := batcher.take(clip)))
    assert 60 <= total_ms <= 1000 * (time.perf_counter() - started_s)


def test_a_batch_checks_its_use() -> None:
    (batch,) = RecordingEngine(batch_size=3).new_batches()
    assert batch.crops.shape == (3, 32, 32, 3)
    for count in (0, 4):
        with pytest.raises(ValueError, match="expected 1 to 3"):
            batch.submit(count)
    with pytest.raises(ValueError, match="nothing was submitted"):
        batch.collect()
    batch.submit(2)
    with pytest.raises(ValueError, match="in flight"):
        batch.submit(2)
    assert batch.collect().shape == (2, 4)
