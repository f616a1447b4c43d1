"""What a program gives to be looked at: one source with what is said of its frames, or several sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from dataclasses import replace

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_flag
from pptsn.runtime.decoding.clips import Given, as_source
from pptsn.runtime.decoding.given import Frames, Times


def one_source(source: Given, times_s: Times | None, *, bgr: bool, caller: str) -> Given:
    """Return `source` with what is said of its frames; raises UsageError, `caller`'s, where it is none of them."""
    check_flag(bgr, "bgr")
    if times_s is None and not bgr:
        return as_source(source)
    frames = as_source(source)
    if frames is source or not isinstance(frames, Frames):
        what = "Frames has its own" if isinstance(source, Frames) else f"the source is {type(source).__name__}"
        raise UsageError(caller, f"times_s and bgr are for an array or an iterable of frames, {what}")
    return replace(frames, times_s=times_s, bgr=bgr)


class UntilRaised:
    """Sources up to where their iterable raises, so that those before are answered; `tell` raises it then.

    Those of which the number is known are what they are.
    """

    def __init__(self, sources: Iterable[Given]) -> None:
        self.sources = sources if isinstance(sources, Sized) else self._until_raised(sources)
        self._raised: Exception | None = None

    def _until_raised(self, sources: Iterable[Given]) -> Iterator[Given]:
        try:
            yield from sources
        except Exception as error:  # of the program's own code
            self._raised = error

    def tell(self) -> None:
        """Raise what the iterable has raised."""
        if self._raised is not None:
            raise self._raised


def require_several(sources: object, *, caller: str) -> None:
    """Raise UsageError, of `caller`, for what is one source, or none, rather than an iterable of them."""
    is_one = isinstance(sources, (str, bytes, os.PathLike, Frames)) or getattr(sources, "ndim", None) in (0, 3, 4)
    if is_one or not (hasattr(sources, "__iter__") or hasattr(sources, "__getitem__")):
        what = repr(sources) if isinstance(sources, (str, bytes, os.PathLike)) else type(sources).__name__
        raise UsageError(
            caller, f"expected several sources, got {what}", f"give a list, or call {caller.removesuffix('_many')}"
        )
