"""How many processes decode: what a user may ask for, and what is right where nothing is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import option
from pptsn.runtime.decoding.mounts import may_hang

AUTO: Final = "auto"
Decoders: TypeAlias = int | Literal["auto"]

DECODERS_HELP = (
    "Processes that decode; 0 decodes in this one; auto: what `pptsn tune` found, or as many as cores are left "
    "beside the engine, for four clips or more; at least one for files of the network."
)
# More are a slip of the keyboard.
_MOST = 1024
# Starting the first decoder takes as long as decoding a few short clips.
_FEWEST_CLIPS = 4


def decoders_option() -> Any:
    """Return the field of a settings class that says who decodes."""
    return option(DECODERS_HELP, default=AUTO, read=read_decoders, written=AUTO, metavar="N|auto")


def read_decoders(text: str) -> Decoders:
    """Return the number of decoders that `text` asks for; raises UsageError for what makes no sense."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST)):
        return check_decoders(int(text))
    if text != AUTO:
        raise _no_sense(text)
    return AUTO


def check_decoders(decoders: Decoders) -> Decoders:
    """Return `decoders`; raises UsageError for what makes no sense, of whatever type."""
    is_number = isinstance(decoders, int) and not isinstance(decoders, bool)
    if (isinstance(decoders, str) and decoders == AUTO) or (is_number and 0 <= decoders <= _MOST):
        return decoders
    raise _no_sense(decoders)


def _no_sense(decoders: object) -> UsageError:
    return UsageError("--decoders", f"expected auto or a number of 0 to {_MOST}, got {decoders!r}")


def decoder_count(
    decoders: Decoders,
    sources: Iterable[object],
    *,
    busy_cores: int,
    found: int | None = None,
    note: Callable[[str], None] | None = None,
) -> int:
    """Return how many processes decode `sources`.

    busy_cores: those that the engine and the thread that feeds it keep busy.
    found: what was measured to be best; None where nothing was.  note: told where that is taken.
    """
    if isinstance(decoders, int):
        return decoders
    clips = len(sources) if isinstance(sources, Sized) else None
    if found is None or _is_few(clips):
        count = automatic_decoders(cores=available_cores(), busy_cores=busy_cores, clips=clips)
    else:
        count = found
        if note is not None:
            note(f"--decoders auto: {found}, as pptsn tune found")
    # The system may end no process that waits for a disk of the network: it had better not be this one.
    if not count and isinstance(sources, Sequence) and may_hang(filter(None, map(_path_of, sources))):
        return 1
    return count


def _path_of(source: object) -> str:
    """Return the path of a source, with a label or without; "" for one that has none, such as frames."""
    source = getattr(source, "source", source)
    path = getattr(source, "path", source)
    return str(path) if isinstance(path, (str, Path)) else ""


def _is_few(clips: int | None) -> bool:
    """Whether so many clips are decoded before a pool has started; None where their number is not known."""
    return clips is not None and clips < _FEWEST_CLIPS


def automatic_decoders(*, cores: int, busy_cores: int, clips: int | None) -> int:
    """Return how many processes decode where nobody says: a process for each core that is left, and each clip.

    cores: that this process may use.  clips: None where their number is not known.
    None for an engine that fills the cores, whose work decoders would slow down as much as they spare; and for a
    few clips, which are decoded before a pool has started.
    """
    if _is_few(clips):
        return 0
    idle = max(0, cores - busy_cores)
    return idle if clips is None else min(idle, clips)
