"""Real frames to calibrate and judge a conversion on: the runtime's own decoding, resizing and cropping."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.progress import Steps, print_note
from pptsn.runtime.classify.lists import evenly, read_any_list, source_of
from pptsn.runtime.classify.sources import expand_sources, list_named
from pptsn.runtime.decoding.ahead import decoded_ahead
from pptsn.runtime.decoding.clips import ClipFrame, ClipRestart, Source
from pptsn.runtime.decoding.decoders import AUTO, Decoders, decoder_count
from pptsn.runtime.frames.preprocess import Frame, cut_crop
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.model.spec import ModelSpec

# With fewer, a range is guessed rather than measured.
MINIMUM_FRAMES = 32
_LIST_SUFFIXES = (".txt", ".list", ".lst")
_HELD_OUT_EVERY = 4


@dataclass(frozen=True)
class FrameSet:
    """Crops of real frames.

    calibration, held_out: (N, S, S, 3) uint8 RGB; no clip is in both, where there are clips enough.
    clips: how many were read; skipped: a line for each that could not be.
    """

    calibration: Frame
    held_out: Frame
    clips: int
    skipped: tuple[str, ...]

    def digest(self) -> str:
        """Return the SHA-256, in hexadecimal, of the calibration frames."""
        return hashlib.sha256(repr(self.calibration.shape).encode() + self.calibration.tobytes()).hexdigest()


def calibration_sources(argument: str) -> list[Source]:
    """Return the clips that `argument` names: a training list (a text file), or what `pptsn classify` takes.

    Raises InputError for a list that cannot be used, UsageError for an empty name.
    """
    if not argument:
        raise UsageError("clips", "an empty name", "name a folder, a list or files")
    path = Path(argument)
    if path.suffix.lower() in _LIST_SUFFIXES and not path.is_dir() and list_named(argument) is None:
        return [source_of(sample) for sample in read_any_list(path, note=print_note)]
    return list(expand_sources([argument], note=print_note))


def read_frames(
    sources: Sequence[Source],
    spec: ModelSpec,
    *,
    frames: int,
    option: str = "--calibration",
    decoders: Decoders = AUTO,
    progress: Steps | None = None,
) -> FrameSet:
    """Return about `frames` crops for calibration, and a third as many held out, of frames of `sources`.

    Clips are taken evenly from all of `sources`, frames evenly from each clip, and of each frame one crop of the
    ten-crop, a different one from frame to frame: the network then sees in calibration what it sees in use.
    option: where `sources` came from, for errors.  decoders: processes that decode, see `pptsn.runtime.decoding`.
    progress: called with the clips done and the clips in all.
    Raises InputError where no clip can be read, or all together have less than MINIMUM_FRAMES frames.
    """
    if not sources:
        raise InputError(option, "names no clips", "name a folder, a list or files")
    wanted = frames * _HELD_OUT_EVERY // (_HELD_OUT_EVERY - 1)
    chosen = evenly(sources, wanted)
    segments = -(-wanted // len(chosen))
    crops: dict[int, list[Frame]] = {}
    skipped: list[str] = []
    count = decoder_count(decoders, chosen, busy_cores=0)
    # Not the published rule, which takes but the first frame of a clip that has fewer than `segments`.
    with decoded_ahead(
        chosen, spec, segments=segments, rule="linspace", decoders=count, note=print_note
    ) as decoded:
        for item in decoded:
            if isinstance(item, ClipFrame):
                seen = crops.setdefault(item.clip, [])
                seen.append(_crop(item.pixels, spec, turn=item.clip + len(seen)))
                continue
            if isinstance(item, ClipRestart):
                crops.pop(item.clip, None)
                continue
            if item.error is not None:
                crops.pop(item.clip, None)
                skipped.append(str(item.error))
            if progress is not None:
                progress(item.clip + 1, len(chosen))
    return _divide(list(crops.values()), skipped, option)


def _crop(pixels: Frame, spec: ModelSpec, *, turn: int) -> Frame:
    height, width = pixels.shape[:2]
    views = crop_views("ten", width, height, size=spec.crop_size, mirror_in_graph=False)
    crop = np.empty((spec.crop_size, spec.crop_size, 3), np.uint8)
    cut_crop(pixels, views[turn % len(views)], out=crop)
    return crop


def _divide(clips: list[list[Frame]], skipped: list[str], option: str) -> FrameSet:
    """Hold out every fourth clip; of fewer than four clips, every fourth frame."""
    if not clips:
        raise InputError(option, f"none of {len(skipped)} clips can be read ({skipped[0]})", "name others")
    parts = clips if len(clips) >= _HELD_OUT_EVERY else [[crop] for clip in clips for crop in clip]
    last = _HELD_OUT_EVERY - 1
    held_out = [crop for i, part in enumerate(parts) if i % _HELD_OUT_EVERY == last for crop in part]
    kept = [crop for i, part in enumerate(parts) if i % _HELD_OUT_EVERY != last for crop in part]
    if len(kept) + len(held_out) < MINIMUM_FRAMES:
        raise InputError(
            option,
            f"{len(clips)} clips give {len(kept) + len(held_out)} frames, expected at least {MINIMUM_FRAMES}",
            "name more or longer clips",
        )
    return FrameSet(np.stack(kept), np.stack(held_out), len(clips), tuple(skipped))
