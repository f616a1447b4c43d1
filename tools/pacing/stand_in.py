"""Stand-ins for devices and for decoders, which take a given time and no CPU.

What is measured with them is the pipeline around them: on two cores as well as on a server.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame
from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity, Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.workers.pool import Crew, WorkerPool

# Batches that each device is lent: it works on one while the next is filled.
_BATCHES_A_DEVICE = 2


class StandInEngine(Engine):
    """Devices that take `batch_s` seconds for a batch, whatever its size, one batch after the other.

    A crop's logits are the colour of its middle, again and again: (R, G, B, R, ...).  Time passes as on a GPU:
    from the moment at which a batch is submitted and its device is free, whoever waits for it.

    devices: that take batches in turn; each is lent two.
    changed_shape_s: what a batch costs besides where it has another number of crops than its device's last one,
        the first included, as with ONNX Runtime's CUDA kernels.
    calls: the crops of each batch, in the order in which they were submitted.  shape_changes: how many cost that.
    """

    identity = EngineIdentity(backend="stand-in", precision="fp32", device="cuda:0")

    def __init__(
        self,
        spec: ModelSpec,
        *,
        batch_s: float,
        batch_size: int,
        devices: int = 1,
        changed_shape_s: float = 0.0,
    ) -> None:
        self.spec, self.batch_size = spec, batch_size
        self.calls: list[int] = []
        self.shape_changes = 0
        self._devices = tuple(_Device(batch_s, changed_shape_s) for _ in range(devices))

    def start(self, device: int, rows: int) -> float:
        """Give a batch of `rows` crops to a device; return when it will be done, by `time.perf_counter`."""
        changed, done_s = self._devices[device].start(rows)
        self.calls.append(rows)
        self.shape_changes += changed
        return done_s

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        count = _BATCHES_A_DEVICE * len(self._devices)
        return tuple(_StandInBatch(self, number % len(self._devices), batch_size) for number in range(count))

    def _infer(self, crops: Frame) -> Logits:
        _sleep_until(self.start(0, len(crops)))
        return middle_colours(crops, self.spec.classes)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class _Device:
    """When it will be free, and the size of the last batch that it took."""

    def __init__(self, batch_s: float, changed_shape_s: float) -> None:
        self._batch_s, self._changed_shape_s = batch_s, changed_shape_s
        self._free_s = 0.0
        self._rows = 0

    def start(self, rows: int) -> tuple[bool, float]:
        changed, self._rows = rows != self._rows, rows
        cost_s = self._batch_s + (self._changed_shape_s if changed else 0.0)
        self._free_s = max(self._free_s, time.perf_counter()) + cost_s
        return changed, self._free_s


class _StandInBatch(Batch):
    def __init__(self, engine: StandInEngine, device: int, batch_size: int) -> None:
        size = engine.spec.crop_size
        super().__init__(np.empty((batch_size, size, size, 3), np.uint8))
        self._engine, self._device = engine, device
        self._done_s = 0.0

    def _submit(self, count: int) -> None:
        self._done_s = self._engine.start(self._device, count)

    def _collect(self, count: int) -> Logits:
        _sleep_until(self._done_s)
        return middle_colours(self.crops[:count], self._engine.spec.classes)

    def close(self) -> None:
        self._submitted = 0


def middle_colours(crops: Frame, classes: int) -> Logits:
    """Return the stand-in's logits (N, classes) of `crops` (N, S, S, 3)."""
    middle = crops.shape[1] // 2
    colours = crops[:, middle, middle].astype(np.float32)
    return np.tile(colours, (1, -(-classes // 3)))[:, :classes]


def _sleep_until(done_s: float) -> None:
    time.sleep(max(0.0, done_s - time.perf_counter()))


@dataclass(frozen=True)
class StandInDecoder:
    """Decodes in so many seconds a clip, and with no CPU: what a worker of a pool does with a numbered clip.

    frames: of a clip; they come at equal distances.  height, width: of each, in pixels.
    """

    clip_s: float
    frames: int
    height: int = 40
    width: int = 53

    def __call__(self, numbered: tuple[int, str]) -> Iterator[ClipFrame | ClipEnd]:
        """Yield the frames of a clip, and its end."""
        clip, source = numbered
        started_s = time.perf_counter()
        for frame in range(1, self.frames + 1):
            _sleep_until(started_s + frame * self.clip_s / self.frames)
            pixels = np.full((self.height, self.width, 3), clip % 256, np.uint8)
            yield ClipFrame(clip, pixels, 1, time.perf_counter())
        yield ClipEnd(clip, source, started_s, 1000 * self.clip_s, frames=self.frames)

    def pool(self, clips: int, decoders: int) -> WorkerPool[tuple[int, str], ClipFrame | ClipEnd]:
        """Return so many clips, decoded by processes."""
        crew = Crew(
            count=decoders,
            thing="decoders",
            slots=2 * self.frames,
            slot_bytes=self.height * self.width * 3,
            cores=1,
            preload=(__name__,),
        )
        jobs = enumerate(f"{clip}.mp4" for clip in range(clips))
        return WorkerPool(self, jobs, crew, is_last=_is_end, crashed=_crashed)


def _is_end(item: ClipFrame | ClipEnd) -> bool:
    return isinstance(item, ClipEnd)


def _crashed(numbered: tuple[int, str], signal_name: str | None) -> ClipEnd:
    raise RuntimeError(f"a decoder of {numbered[1]} crashed ({signal_name})")
