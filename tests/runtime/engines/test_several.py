"""Several devices as one engine, by stand-ins: all work at once, and the others do what one that fails had."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import Batch, DeviceError, Engine, EngineIdentity
from pptsn.runtime.engines.backend import Backend, Choices, NoOptions
from pptsn.runtime.engines.device import Device, gpu_count, named_devices
from pptsn.runtime.engines.registry import BACKENDS, open_engine
from pptsn.runtime.engines.several import SeveralEngines
from tests.models import tiny_spec

BATCH = 4
Happens = Callable[[int], None]


def colours(crops: np.ndarray) -> np.ndarray:
    mean = crops.mean(axis=(1, 2)).astype(np.float32)
    return np.concatenate([mean, mean[:, :1]], axis=1)


def brightest(crops: np.ndarray) -> np.ndarray:
    return crops.max(axis=(1, 2, 3))[:, None].astype(np.float32)


class StandIn(Engine):
    """Gives each crop's mean colour, and its brightest value as a feature.

    happens: called with the number of each call before it is computed.
    """

    def __init__(self, number: int = 0, happens: Happens = lambda call: None) -> None:
        self.spec = tiny_spec()
        self.identity = EngineIdentity(backend="stand-in", precision="fp32", device=f"cuda:{number}")
        self.batch_size = BATCH
        self.features = 1
        self.notes = ("a note of all",)
        self.details = ("a detail",)
        self.expected = 0
        self.calls: list[int] = []
        self.closed = False
        self._happens = happens

    def _infer(self, crops: np.ndarray) -> np.ndarray:
        self.calls.append(len(crops))
        self._happens(len(self.calls))
        return colours(crops)

    def _infer_rows(self, crops: np.ndarray) -> np.ndarray:
        return np.concatenate([self._infer(crops), brightest(crops)], axis=1)

    def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
        self.expected = frame_crops

    def close(self) -> None:
        self.closed = True


class InFlight(StandIn):
    """Lends two batches, as an engine does whose work goes on while its caller does something else."""

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        return tuple(_InFlightBatch(self, batch_size) for _ in range(2))


class _InFlightBatch(Batch):
    def __init__(self, engine: InFlight, batch_size: int) -> None:
        size = engine.spec.crop_size
        super().__init__(np.empty((batch_size, size, size, 3), np.uint8))
        self._engine = engine

    def _submit(self, count: int) -> None:
        """Nothing happens until somebody waits for it."""

    def _collect(self, count: int) -> np.ndarray:
        infer = self._engine._infer_rows if self.features else self._engine._infer
        return infer(self.crops[:count])

    def close(self) -> None:
        self._submitted = 0


def breaks_at(call: int) -> Happens:
    def happens(number: int) -> None:
        if number >= call:
            raise DeviceError("device cuda:1", "the GPU failed (it fell off the bus)", "check it")

    return happens


def frames(count: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (40, 53, 3), np.uint8) for _ in range(count)]


def answers(engine: Engine, pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Return the logits of each picture, as an owner of its own, in the order in which they were added."""
    with CropBatcher(engine, views="three") as batcher:
        for number, pixels in enumerate(pictures):
            batcher.add(number, pixels, 1)
        batcher.flush()
        gathered = [batcher.take(number) for number in range(len(pictures))]
    assert all(one is not None and one.weight == 3 for one in gathered)
    return [one.mean() for one in gathered if one is not None]


@pytest.mark.parametrize("kind", [StandIn, InFlight])
@pytest.mark.parametrize("devices", [1, 2, 8])
def test_answers_are_those_of_one_device_and_all_have_their_share(kind: type[StandIn], devices: int) -> None:
    pictures = frames(64)
    engines = [kind(number) for number in range(devices)]
    with SeveralEngines(engines) as several:
        np.testing.assert_array_equal(answers(several, pictures), answers(StandIn(), pictures))
        assert several.identity.device == ",".join(f"cuda:{number}" for number in range(devices))
        assert (several.notes, several.details) == (("a note of all",), ("a detail",))
    assert {engine.expected for engine in engines} == {3}
    assert sum(sum(engine.calls) for engine in engines) == 64 * 3
    assert {sum(engine.calls) for engine in engines} == {64 * 3 // devices}
    assert all(engine.closed for engine in engines)


@pytest.mark.parametrize("kind", [StandIn, InFlight])
@pytest.mark.parametrize("breaks", [1, 2, 100])
def test_features_come_of_every_device_and_of_the_others_where_one_fails(kind: type[StandIn], breaks: int) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2 * BATCH, 32, 32, 3), np.uint8)
    with SeveralEngines([kind(0), kind(1, breaks_at(breaks))]) as several:
        assert several.features == 1
        rooms = several.new_batches(features=True)
        for _ in range(3):
            for room in rooms:
                room.crops[:] = batch[:BATCH]
                room.submit(BATCH)
            expected = np.concatenate([colours(batch[:BATCH]), brightest(batch[:BATCH])], axis=1)
            for room in rooms:
                np.testing.assert_array_equal(room.collect(), expected)
        logits, features = several.infer_with_features(batch)
        np.testing.assert_array_equal(logits, several.infer(batch))
        np.testing.assert_array_equal(features, brightest(batch))
        assert ("fell off the bus" in " ".join(several.notes)) is (breaks < 100)


def test_devices_whose_caller_waits_for_them_compute_at_the_same_time() -> None:
    meeting = threading.Barrier(3)
    engines = [StandIn(number, lambda call: meeting.wait(20) and None) for number in range(3)]
    with SeveralEngines(engines) as several:
        answers(several, frames(12))  # nine batches: three for each
    assert [len(engine.calls) for engine in engines] == [3, 3, 3]


@pytest.mark.parametrize("kind", [StandIn, InFlight])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("devices", [2, 3])
def test_the_work_of_a_device_that_vanishes_is_done_by_the_others(
    kind: type[StandIn], call: int, devices: int
) -> None:
    pictures = frames(40)
    engines = [kind(number, breaks_at(call) if number == 1 else lambda _: None) for number in range(devices)]
    with SeveralEngines(engines) as several:
        np.testing.assert_array_equal(answers(several, pictures), answers(StandIn(), pictures))
        assert several.notes[1:] == (
            "device cuda:1: the GPU failed (it fell off the bus); it is left out, and its work goes to the others",
        )
        before = list(engines[1].calls)
        np.testing.assert_array_equal(answers(several, pictures), answers(StandIn(), pictures))
    assert engines[1].calls == before, "it is asked again"
    assert sum(len(engine.calls) for engine in engines if engine is not engines[1]) > len(before)


def test_a_device_that_refuses_a_batch_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Batch, count: int) -> None:
        if self._engine.identity.device == "cuda:1":  # type: ignore[attr-defined]
            breaks_at(0)(1)

    monkeypatch.setattr(_InFlightBatch, "_submit", refuse)
    pictures = frames(20)
    with SeveralEngines([InFlight(0), InFlight(1)]) as several:
        np.testing.assert_array_equal(answers(several, pictures), answers(StandIn(), pictures))
        assert len(several.notes) == 2


def test_a_device_without_memory_for_batches_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = InFlight(1)
    monkeypatch.setattr(poor, "_new_batches", lambda size: breaks_at(0)(1))
    with SeveralEngines([InFlight(0), poor]) as several:
        assert len(several.new_batches()) == 2
        assert len(several.notes) == 2


@pytest.mark.parametrize("kind", [StandIn, InFlight])
def test_without_a_device_left_there_is_one_error(kind: type[StandIn]) -> None:
    engines = [kind(number, breaks_at(2 + number)) for number in range(2)]
    with SeveralEngines(engines) as several:
        for _ in range(2):
            with pytest.raises(DeviceError, match="device cuda:0,cuda:1: all of them failed, the last one so"):
                answers(several, frames(40))
    assert [engine.closed for engine in engines] == [True, True]


def test_crops_are_inferred_without_batches_too() -> None:
    crops = np.stack(frames(3))[:, :32, :32]
    with SeveralEngines([StandIn(0, breaks_at(1)), StandIn(1)]) as several:
        np.testing.assert_array_equal(several.infer(crops), colours(crops))
        assert len(several.notes) == 2


def test_a_batch_that_is_closed_in_flight_leaves_no_thread() -> None:
    before = threading.active_count()
    with SeveralEngines([StandIn(0), StandIn(1)]) as several:
        first, *others = several.new_batches()
        first.crops[:] = 0
        first.submit(2)
        for batch in (first, *others):
            batch.close()
        with pytest.raises(ValueError, match="nothing was submitted"):
            first.collect()
    assert threading.active_count() == before


def test_devices_are_named_one_by_one_or_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_devices("cpu") == (Device("cpu"),)
    assert named_devices("cuda:2, cuda") == (Device("cuda", 2), Device("cuda", 0))
    monkeypatch.setattr("pptsn.runtime.engines.device.gpu_count", lambda: 3)
    assert named_devices("cuda:all") == tuple(Device("cuda", number) for number in range(3))
    monkeypatch.setattr("pptsn.runtime.engines.device.gpu_count", lambda: 0)
    with pytest.raises(MissingDependencyError, match="device cuda:all: there is no GPU that CUDA can use"):
        named_devices("cuda:all")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("cuda:0,cpu", "has the CPU among others"),
        ("cuda,cuda:0", "names a device twice"),
        ("cuda:0,", "unknown device ''"),
        ("cuda:0,tpu", "unknown device 'tpu'"),
    ],
)
def test_lists_that_make_no_sense_are_refused(text: str, cause: str) -> None:
    with pytest.raises(UsageError, match=f"--device: .*{cause}"):
        named_devices(text)


def test_gpus_are_counted_by_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        started = 0

        def cuInit(self, flags: int) -> int:  # noqa: N802
            return self.started

        def cuDeviceGetCount(self, count: object) -> int:  # noqa: N802
            ctypes.cast(count, ctypes.POINTER(ctypes.c_int))[0] = 8  # type: ignore[arg-type]
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert gpu_count() == 8
    monkeypatch.setattr(Driver, "started", 100)  # CUDA_ERROR_NO_DEVICE
    assert gpu_count() == 0

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert gpu_count() == 0


class StandInBackend(Backend[NoOptions]):
    opened: list[StandIn] = []  # noqa: RUF012 - of one test

    def open(self, path: Path, choices: Choices, options: NoOptions) -> Engine:
        assert choices.device is not None
        if choices.device.index == 7:
            raise MissingDependencyError(f"device {choices.device}", "this machine has 2 CUDA devices", "")
        self.opened.append(StandIn(choices.device.index))
        return self.opened[-1]


def test_a_model_is_opened_on_each_device_and_closed_where_one_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BACKENDS, "instance", lambda name: StandInBackend(name))
    monkeypatch.setattr(StandInBackend, "opened", [])
    with open_engine("m.onnx", backend="onnxruntime", device="cuda:1,cuda:0") as engine:
        assert engine.identity.device == "cuda:1,cuda:0"
    with pytest.raises(MissingDependencyError, match="device cuda:7"):
        open_engine("m.onnx", backend="onnxruntime", device="cuda:0,cuda:7")
    assert [engine.closed for engine in StandInBackend.opened] == [True, True, True]


def test_a_device_that_fails_while_it_prepares_is_left_out() -> None:
    class Unprepared(StandIn):
        def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
            raise DeviceError("device cuda:1", "out of memory", "close other programs")

    pictures = frames(4)
    with SeveralEngines([StandIn(0), Unprepared(1)]) as several:
        np.testing.assert_array_equal(answers(several, pictures), answers(StandIn(), pictures))
        assert several.notes[-1] == "device cuda:1: out of memory; it is left out, and its work goes to the others"
