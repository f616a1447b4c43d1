"""The plain way in which PP-TSN is deployed today, and switches that lead from it to this toolkit, one by one.

The plain way is that of the published inference: decode the whole file, keep every frame, sample and resize, cut
ten crops of each frame, make them float32 and normalise them on the CPU, run all views of the clip in one batch,
take the mean.  On a stream it recomputes all frames of the window for every prediction.  It is given what is fair:
FFmpeg's own threads, ONNX Runtime with all its optimisations, and as many threads as the toolkit takes.

Under all switches the answer is the same, but for INT8's own error.  That is what makes the times comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame, cut_crop, resize_frame
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.frames.views import View, crop_views
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import open_video
from pptsn.runtime.video.container import open_container
from pptsn.runtime.video.faults import input_errors_only
from tools.gains.plain_network import PlainNetwork, Views

# All frames of a clip in memory at once; a minute of 1080p would be 11 GB.
_MOST_BYTES = 4_000_000_000


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What the toolkit does and the plain way does not, in the order in which the gains add up.

    seeking_decode: read the sampled frames alone, as far as the file lets them be found; resize each as it comes.
    uint8_crops: copy crops as bytes; the graph mirrors and normalises them.
    small_batches: infer a few frames at a time rather than the whole clip.
    overlap: decode while frames before are inferred; needs all of the above, as it is `Recognizer.classify_many`.
    int8: run the INT8 model; needs uint8_crops, as there is no plain network in INT8.

    Reuse of a frame's logits in all windows that it belongs to is for streams: see `tools.gains.windows`.
    """

    seeking_decode: bool = False
    uint8_crops: bool = False
    small_batches: bool = False
    overlap: bool = False
    int8: bool = False

    def __post_init__(self) -> None:
        if self.int8 and not self.uint8_crops:
            raise ValueError("INT8 needs uint8 crops")
        if self.overlap and not (self.seeking_decode and self.uint8_crops and self.small_batches):
            raise ValueError("overlap needs the seeking decode, uint8 crops and small batches")


PLAIN = Switches()


def ladder(*, int8: bool) -> dict[str, Switches]:
    """Return the rungs by name, the plain way first, each with one switch more than the one before.

    int8: whether there is an INT8 model; without one its rung is left out.
    """
    rungs, switches = {"plain": PLAIN}, PLAIN
    for switch in fields(Switches):
        if switch.name != "int8" or int8:
            switches = replace(switches, **{switch.name: True})
            rungs[switch.name.replace("_", " ")] = switches
    return rungs


def decode_whole(clip: Path, *, threads: int = 0) -> list[Frame]:
    """Return every frame of `clip`, (H, W, 3) uint8 RGB, turned as it is stored.

    threads: of FFmpeg; 0 is its word for as many as there are cores.
    Raises InputError where a frame cannot be decoded, and where all of them take too much memory.
    """
    frames: list[Frame] = []
    video = open_container(clip)
    with input_errors_only(clip), video.container:
        video.stream.thread_type = "AUTO"
        video.codec.thread_count = threads
        for frame in video.container.decode(video.stream):
            pixels: Any = frame.to_ndarray(format="rgb24")
            frames.append(pixels)
            if len(frames) * pixels.nbytes > _MOST_BYTES:
                cause = f"its frames take more than {_MOST_BYTES / 1e9:.0f} GB, and the plain way keeps them all"
                raise InputError(clip, cause, "choose a shorter clip")
    return frames


def sampled_frames(clip: Path, spec: ModelSpec, *, segments: int, seeking: bool) -> list[Frame]:
    """Return the resized frames that the published centre rule chooses, (h, w, 3) uint8 RGB.

    seeking: read these alone, by the toolkit's reader; otherwise decode all of the file first.
    """

    def resize(pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    if seeking:
        with open_video(clip) as video:
            chosen = video.read_sampled(lambda frames: centre_indices(frames, segments), transform=resize)
        return [frame.pixels for frame in chosen]
    frames = decode_whole(clip)
    return [resize(frames[index]) for index in centre_indices(len(frames), segments)]


def float_views(frames: Sequence[Frame], spec: ModelSpec, plan: str, *, planes_first: bool = False) -> Views:
    """Return the normalised views of `frames`, (N, 3, S, S) float32: those that the answer is the mean of.

    Like the published code, it normalises pixel by pixel and leaves the planes to the end.  planes_first: the
    same with NumPy's long rows, as a careful programmer would write it.
    """
    size, cut = spec.crop_size, []
    for frame in frames:
        for view in _views_of(frame, spec, plan):
            crop = frame[view.y : view.y + size, view.x : view.x + size]
            cut.append(crop[:, ::-1] if view.flipped else crop)
    planes = np.stack(cut).transpose(0, 3, 1, 2)
    views = planes.astype(np.float32, order="C" if planes_first else "K")
    views /= np.float32(255)
    views -= np.asarray(spec.mean, np.float32).reshape(3, 1, 1)
    views /= np.asarray(spec.std, np.float32).reshape(3, 1, 1)
    return np.ascontiguousarray(views)


def _views_of(frame: Frame, spec: ModelSpec, plan: str) -> list[View]:
    """Return the views of a frame; where the toolkit's graph adds mirror images, they are among them."""
    height, width = frame.shape[:2]
    cut = crop_views(plan, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror)
    if not spec.mirror:
        return list(cut)
    return [View(view.x, view.y, flipped) for view in cut for flipped in (False, True)]


def uint8_crops(frames: Sequence[Frame], spec: ModelSpec, plan: str) -> Frame:
    """Return the crops of `frames` as the deployment graph takes them, (N, S, S, 3) uint8 RGB."""
    height, width = frames[0].shape[:2]
    views = crop_views(plan, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror)
    crops: Frame = np.empty((len(frames) * len(views), spec.crop_size, spec.crop_size, 3), np.uint8)
    for row, (frame, view) in enumerate((frame, view) for frame in frames for view in views):
        cut_crop(frame, view, out=crops[row])
    return crops


class SwitchedClassifier(Closing):
    """Classifies clips on the CPU as `Switches` say.  A context manager.

    fp32_model, int8_model: deployment graphs of one training; segments, views: as in `Recognizer.classify`.
    Raises ModelError for models that do not fit, and what opening them raises.
    """

    def __init__(
        self,
        fp32_model: Path,
        int8_model: Path | None = None,
        *,
        segments: int = 25,
        views: str = "ten",
        threads: int | None = None,
    ) -> None:
        self.segments, self.views = segments, views
        self.network = PlainNetwork(fp32_model, threads=threads)
        self.engines = {"fp32": open_engine(fp32_model, device="cpu", threads=threads)}
        self.spec = self.engines["fp32"].spec
        self.models = {"fp32": fp32_model}
        if int8_model is not None:
            engine = self.engines["int8"] = open_engine(int8_model, device="cpu", threads=threads)
            self.models["int8"] = int8_model
            _check_pair(int8_model, engine.spec, self.spec)

    def engine(self, *, int8: bool) -> Engine:
        """Return the engine of one of the models; raises ValueError where there is no INT8 model."""
        if int8 and "int8" not in self.engines:
            raise ValueError("no INT8 model was given")
        return self.engines["int8" if int8 else "fp32"]

    def classify(self, clip: Path, switches: Switches) -> Logits:
        """Return the mean logits (C,) float32 of `clip`; raises InputError where it cannot be used."""
        (logits,) = self.classify_many([clip], switches)
        return logits

    def classify_many(self, clips: Sequence[Path], switches: Switches) -> list[Logits]:
        """Return the mean logits of each clip.  Without `switches.overlap`, one clip after the other."""
        if not switches.overlap:
            return [self._classify(clip, switches) for clip in clips]
        recognizer = Recognizer(self.engine(int8=switches.int8))
        found = []
        for result in recognizer.classify_many(clips, segments=self.segments, views=self.views):
            if isinstance(result, Failure):
                raise result.error
            found.append(result.logits)
        return found

    def _classify(self, clip: Path, switches: Switches) -> Logits:
        frames = sampled_frames(clip, self.spec, segments=self.segments, seeking=switches.seeking_decode)
        if not switches.uint8_crops:
            return self.plain_mean(frames, small_batches=switches.small_batches)
        engine = self.engine(int8=switches.int8)
        if not switches.small_batches:
            return _mean(engine.infer(uint8_crops(frames, self.spec, self.views)))
        with CropBatcher(engine, views=self.views) as batcher:
            for frame in frames:
                batcher.add(0, frame, 1)
            batcher.flush()
            gathered = batcher.take(0)
        if gathered is None:
            raise InputError(clip, "gave no frame")
        return gathered.mean()

    def plain_mean(self, frames: Sequence[Frame], *, small_batches: bool = False) -> Logits:
        """Return the mean logits (C,) float32 of resized `frames`, by the plain network on float views."""
        views = float_views(frames, self.spec, self.views)
        size = 2 * self.engines["fp32"].batch_size if small_batches else len(views)
        return _mean(np.concatenate([self.network.infer(views[i : i + size]) for i in range(0, len(views), size)]))

    def close(self) -> None:
        """Release the models."""
        self.network.close()
        for engine in self.engines.values():
            engine.close()


def _mean(logits: Logits) -> Logits:
    result: Logits = logits.mean(axis=0, dtype=np.float64).astype(np.float32)
    return result


def _check_pair(path: Path, int8: ModelSpec, fp32: ModelSpec) -> None:
    if int8.precision != "int8":
        raise ModelError(path, f"is in {int8.precision.upper()}, expected INT8", "make one by: pptsn convert int8")
    if replace(int8, precision="fp32") != fp32:
        raise ModelError(path, "was made from another model than the FP32 one", "name two files of one training")
