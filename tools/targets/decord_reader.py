"""Reading sampled frames by decord, which others decode with: a measure of our own reading, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.model.spec import ModelSpec


def frames_by_decord(clip: Path, spec: ModelSpec, *, segments: int) -> list[Frame]:
    """Return the `segments` frames of `clip` by one `get_batch`, each resized as the runtime does.

    decord opens the file and decodes with as many threads as it likes.  Raises MissingDependencyError without it.
    """
    reader = _decord().VideoReader(str(clip))
    frames = reader.get_batch(centre_indices(len(reader), segments)).asnumpy()
    return [resize_frame(frame, short_side=spec.short_side, rule=spec.resize_rule) for frame in frames]


def _decord() -> Any:
    try:
        import decord
    except ImportError as error:
        raise MissingDependencyError(
            "decord", f"comparing with it needs it ({error})", f"run: {install_command('dev')}"
        ) from error
    return decord
