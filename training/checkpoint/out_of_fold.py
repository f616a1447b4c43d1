"""What a run keeps of its cross-validation: the answer for each clip by what has not learned from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.files import read_small, write_text
from pptsn.runtime.classify.lists import Sample

# Far more than the logits of a thousand clips of 400 classes.
_MOST_BYTES = 64 << 20
# The answers are made with the weights.
REMEDY = "train anew into another --output"


@dataclass(frozen=True)
class FoldAnswer:
    """clip: what was answered.  fold: that it is in.  logits: by class; none where `error` says why."""

    clip: Sample
    fold: Annotated[int, Meta(ge=0)]
    logits: tuple[float, ...]
    error: str = ""


@dataclass(frozen=True)
class OutOfFold:
    """weights_digest: of the run's weights, whose classifier is another: it has learned from all clips.

    segments: frames of each clip that were looked at.  answers: in the order of the training list.
    """

    weights_digest: str
    segments: Annotated[int, Meta(ge=1)]
    answers: Annotated[tuple[FoldAnswer, ...], Meta(min_length=1)]

    def write(self, path: Path) -> None:
        """Write it to `path`; raises InputError where that cannot be."""
        write_text(path, msgspec.json.encode(self).decode() + "\n")

    def require_classes(self, classes: int, *, source: Path) -> None:
        """Raise InputError, naming `source`, where these are no answers among so many classes."""
        for answer in self.answers:
            is_answer = len(answer.logits) == (0 if answer.error else classes)
            if not is_answer or not 0 <= answer.clip.label < classes:
                cause = f"is damaged (its answer for {answer.clip.path} is none of {classes} classes)"
                raise InputError(source, cause, REMEDY)


def read_out_of_fold(path: Path) -> OutOfFold:
    """Return what was kept at `path`; raises InputError where it cannot be used."""
    try:
        return msgspec.json.decode(read_small(path, _MOST_BYTES), type=OutOfFold)
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason_of(error).lower()})", REMEDY) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(path, f"is damaged ({error})", REMEDY) from error
