"""Which frames of a video the network looks at.  The one implementation of the index rules.

The rules are those of the original PP-TSN, to the rounding: indices decide the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import is_whole

if TYPE_CHECKING:
    import numpy as np

# No video has a use for more; beyond, a slip of the keyboard would fill the memory with indices.
MAX_SEGMENTS = 100_000


def check_segments(segments: int) -> None:
    """Raise UsageError for a number of segments that makes no sense."""
    if not is_whole(segments) or not 1 <= segments <= MAX_SEGMENTS:
        raise UsageError("--segments", f"expected 1 to {MAX_SEGMENTS}, got {segments!r}")


def _check(frames: int, segments: int) -> None:
    if frames < 1:
        raise UsageError("sampling", f"expected at least 1 frame, got {frames}")
    check_segments(segments)


def centre_indices(frames: int, segments: int) -> list[int]:
    """Return the middle frame of each of `segments` equal parts: `int(d/2 + d*i)`, d = frames / segments.

    The rule of the published inference.  A video of no more frames than segments gives frame 0 throughout.
    """
    _check(frames, segments)
    if frames <= segments:
        return [0] * segments
    part = frames / segments
    return [int(part / 2 + part * i) for i in range(segments)]


def linspace_indices(frames: int, segments: int) -> list[int]:
    """Return `segments` indices evenly from the first to the last frame, rounded down.

    The rule of the published test configuration for video files.
    """
    import numpy as np  # here alone, so that settings can be checked without it

    _check(frames, segments)
    return [int(i) for i in np.linspace(0, frames - 1, segments)]


def training_indices(frames: int, segments: int, rng: np.random.Generator) -> list[int]:
    """Return one random frame of each of `segments` parts of `frames // segments` frames, all 0 if that is 0."""
    _check(frames, segments)
    part = frames // segments
    if part == 0:
        return [0] * segments
    return [i * part + int(rng.integers(part)) for i in range(segments)]


SAMPLING_RULES: dict[str, Callable[[int, int], list[int]]] = {
    "centre": centre_indices,
    "linspace": linspace_indices,
}


def sampling_rule(name: str) -> Callable[[int, int], list[int]]:
    """Return the rule called `name`; raises UsageError that lists the rules there are."""
    try:
        return SAMPLING_RULES[name]
    except (KeyError, TypeError):  # TypeError: what is no text
        raise UsageError(
            "--sampling", f"unknown rule {name!r}", f"choose one of {', '.join(SAMPLING_RULES)}"
        ) from None
