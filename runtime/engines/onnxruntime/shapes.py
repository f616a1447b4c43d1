"""Which numbers of crops a GPU is prepared for, and what the others are padded to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A larger shape than the one before is at most so many times as large as the smallest batch that needs it.
_MOST_PADDING = 2


@dataclass(frozen=True)
class Shape:
    """A number of crops a call, and what is done for its speed.

    fused: convolutions with their biases in one kernel.
    recorded: all of a call as one CUDA graph, started as a whole.
    features: whether features are read besides the logits.
    """

    rows: int
    fused: bool = False
    recorded: bool = False
    features: bool = False


def prepared_shapes(batch_size: int, frame_crops: int) -> tuple[int, ...]:
    """Return the numbers of crops a call that are worth preparing, ascending.

    batch_size: the largest.  frame_crops: of one frame, the smallest: a frame alone is what live streams and ends
    of clips ask for.  Between the two lie as few powers of two as keep padding within a factor of two: 5, 8, 16,
    32 and 64 for ten-crop with the mirror image in the graph, 1, 4, 8, 16, 32 and 64 for the centre alone.
    """
    shapes = [min(frame_crops, batch_size)]
    while shapes[-1] < batch_size:
        most = _MOST_PADDING * (shapes[-1] + 1)
        shapes.append(batch_size if batch_size <= most else 1 << (most.bit_length() - 1))
    return tuple(shapes)


def padded(count: int, shapes: Sequence[int]) -> int:
    """Return the smallest of `shapes`, which ascend, that has room for `count` crops."""
    return next(shape for shape in shapes if shape >= count)


def as_text(shapes: Sequence[int]) -> str:
    """Return shapes for people: "5, 8 or 64"."""
    *most, last = map(str, shapes)
    return f"{', '.join(most)} or {last}" if most else last
