"""Writing frames as a small H.264 .mp4 file, the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, MissingDependencyError

Frame = npt.NDArray[np.uint8]


def write_mp4(path: Path, frames: Iterable[Frame], *, fps: int, quality: int = 23) -> None:
    """Write (H, W, 3) uint8 RGB `frames`, of even and equal height and width, as H.264 in 4:2:0 at `fps` Hz.

    quality: x264's constant rate factor, 0 (lossless) to 51 (worst).
    Raises MissingDependencyError where this build of PyAV cannot encode H.264, InputError where nothing can be
    written to `path` or there are no frames.
    """
    # x264's macroblock tree, which the slower presets use, gives other bytes from run to run on small frames, and
    # so do threads.
    options = {"crf": str(quality), "preset": "superfast", "threads": "1", "x264-params": "mbtree=0"}
    if "libx264" not in av.codecs_available:
        raise MissingDependencyError(
            "H.264 encoder", "this PyAV has no libx264", "pip install --force-reinstall av"
        )
    stream: av.VideoStream | None = None
    try:
        with av.open(str(path), "w", format="mp4") as container:
            for pixels in frames:
                if stream is None:
                    stream = cast(av.VideoStream, container.add_stream("libx264", rate=fps, options=options))
                    stream.height, stream.width = pixels.shape[:2]
                    stream.pix_fmt = "yuv420p"
                # Not by FFmpeg's scaler: it wakes a thread for every core, which costs far more than the work.
                planes = cast(Frame, cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
            if stream is not None:
                container.mux(stream.encode(None))
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(path, f"cannot be written ({error})", "choose a writable place") from error
    if stream is None:
        raise InputError(path, "has no frames, expected at least one")
