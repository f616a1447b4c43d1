"""The frames that a stream of a file samples, without the rest of the stream."""

from __future__ import annotations

from pptsn.runtime.frames.grid import TimeGrid
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.stream.capture.timeline import Timeline
from pptsn.runtime.stream.sources.registry import open_source
from pptsn.runtime.stream.sources.uri import parse_source
from pptsn.runtime.video.picture import PictureMaker

# A file has no gaps that matter here.
MAX_GAP_S = 60.0
_OPENING_S = 5.0


def stream_frames(source: str, spec: ModelSpec, *, step_s: float) -> list[Frame]:
    """Return the resized frames, (h, w, 3) uint8 RGB, of a grid of `step_s` seconds: decoded in this thread."""

    def resize(pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    grid, timeline = TimeGrid(step_s, max_gap_s=MAX_GAP_S), Timeline(live=False)
    pictures, frames = PictureMaker(source, None, resize), []
    with open_source(parse_source(source), timeout_s=_OPENING_S) as opened:
        for captured in opened.frames():
            time_s = timeline.at(captured.pts_s, captured.captured_s)
            if grid.slot_of(time_s, size=(captured.frame.width, captured.frame.height)):
                frames.append(pictures.make(captured.frame, 0).pixels)
    return frames
