"""A written model of how many clips a second a folder goes through at.

Three things work side by side, each with its own rate, and the slowest of them sets the pace: the decoders, the
devices, and the process that hears the decoders, cuts crops into batches and adds up logits.  What is before the
first clip and after the last one, and what is computed for nothing, comes on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What the clips go through.

    decoders: that work at the same time.  decode_s: of one of them, for a clip.
    devices: the same.  views_per_s: of one device at the batch that it is given.  views: of a clip.
    padding: rows computed for each row asked for, at least 1.
    shape_changes, shape_s: how often a clip changes the size of the batch, and what the engine's kernels take to
        prepare themselves for another one.
    feed_s: of the process that fills the batches, for a clip, one core at a time; 0 where nobody measured it.
    processes: of that kind, each with a share of the clips.
    start_s: until the first frame is decoded: loading, opening the model, preparing shapes, starting decoders.
    """

    decoders: int
    decode_s: float
    devices: int
    views_per_s: float
    views: int
    padding: float = 1.0
    shape_changes: float = 0.0
    shape_s: float = 0.0
    feed_s: float = 0.0
    processes: int = 1
    start_s: float = 0.0

    def rates(self) -> dict[str, float]:
        """Return the clips a second of each part by itself."""
        rates = {"decoders": self.decoders / self.decode_s, "devices": self.devices / self.device_s}
        if self.feed_s:
            rates["feeding"] = self.processes / self.feed_s
        return rates

    @property
    def device_s(self) -> float:
        """The seconds of one device for a clip."""
        return self.views * self.padding / self.views_per_s + self.shape_changes * self.shape_s

    def clips_per_s(self) -> float:
        """Return the clips a second once it runs."""
        return min(self.rates().values())

    def slowest(self) -> str:
        """Return which part sets the pace: a key of `rates`."""
        rates = self.rates()
        return min(rates, key=rates.__getitem__)

    def seconds(self, clips: int) -> float:
        """Return how long a folder of `clips` takes, from the start of the program to the last answer.

        The last clip is on a device when all others are done, and was in a decoder before.
        """
        return self.start_s + self.decode_s + (clips - 1) / self.clips_per_s() + self.device_s


# The clips of the trial on a GPU (20 clips of UCF101's kind and smaller, 25 frames each): what one core decodes,
# samples and resizes in a second, in one thread beside the engine, and in each of 4 to 16 processes.
ONE_THREAD_S = 1 / 15
ONE_OF_MANY_S = 1 / 11
# Views a second of ResNet-50 in FP16 on an H200.
ONNXRUNTIME_AS_IT_WAS, ONNXRUNTIME_FAST, ONNXRUNTIME_FULL = 8_000, 10_300, 17_300
TENSORRT_ONE_CALL, TENSORRT = 25_600, 29_600
TEN_CROP_VIEWS = 250


@dataclass(frozen=True)
class Row:
    """A figure that was measured, and what the model says of it.  unit: of both."""

    what: str
    measured: float
    predicted: float
    unit: str = "clips/s"

    @property
    def error(self) -> float:
        """By what share the prediction is off."""
        return self.predicted / self.measured - 1


def checked_rows() -> tuple[Row, ...]:
    """Return what was measured on the H200 with 16 cores, and what the model says of it."""
    one_thread = Pipeline(
        decoders=1,
        decode_s=ONE_THREAD_S,
        devices=1,
        views_per_s=ONNXRUNTIME_AS_IT_WAS,
        views=TEN_CROP_VIEWS,
    )
    # One clip at a time: 64 crops, then 61, and the kernels prepared anew for each.
    each_clip_alone = replace(one_thread, shape_changes=2, shape_s=0.307 / 2)
    rows = [
        Row("folder, ONNX Runtime as it was", 16, one_thread.clips_per_s()),
        Row(
            "folder, ONNX Runtime padded, tuned",
            14,
            replace(one_thread, views_per_s=ONNXRUNTIME_FULL).clips_per_s(),
        ),
        Row("folder, TensorRT", 14, replace(one_thread, views_per_s=TENSORRT).clips_per_s()),
        Row("one clip, ONNX Runtime as it was", 321, 1000 * each_clip_alone.device_s, "ms"),
    ]
    for decoders, measured in ((4, 44), (8, 92), (16, 172)):
        pool = replace(one_thread, decoders=decoders, decode_s=ONE_OF_MANY_S)
        rows.append(Row(f"decoding alone, {decoders} processes", measured, pool.rates()["decoders"]))
    return tuple(rows)


@dataclass(frozen=True)
class Server:
    """A machine: its cores and its GPUs."""

    cores: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.cores} cores, {self.gpus} GPU{'s' if self.gpus > 1 else ''}"

    def pipeline(self, views_per_s: float, *, feed_s: float, views: int = TEN_CROP_VIEWS) -> Pipeline:
        """Return the pipeline of one process on it: a decoder on each core that no GPU's feeding needs."""
        return Pipeline(
            decoders=self.cores - self.gpus,
            decode_s=ONE_OF_MANY_S,
            devices=self.gpus,
            views_per_s=views_per_s,
            views=views,
            feed_s=feed_s,
        )


SERVERS = (Server(16, 1), Server(96, 8))
