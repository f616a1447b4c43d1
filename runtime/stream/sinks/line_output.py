"""The options of files of lines that grow for weeks: how they are rotated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypedDict

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.lines import DEFAULT_KEEP
from pptsn.runtime.base.options import option, whole
from pptsn.runtime.stream.sinks.kind import STREAM, Address, MessageOptions

_MAX_KEEP = 10_000
# A smaller file would be renamed with every line.
_MIN_ROTATE_BYTES = 1000
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKMGT]?)(i?)B?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def _size_bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found:
        number, unit, binary = found.groups()
        size = float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()]
        if size >= _MIN_ROTATE_BYTES:
            return int(size)
    raise ValueError(text)


@dataclass(frozen=True)
class FileOptions(MessageOptions):
    """The options of files of lines; None where they were not given."""

    rotate_bytes: int | None = option(
        "Begin a new file before this size is passed, as 100MB or 1GiB.",
        name="rotate",
        default=None,
        parse=_size_bytes,
        expected=f"a size of at least {_MIN_ROTATE_BYTES} bytes, such as 100MB or 1GiB",
    )
    keep: int | None = option(
        f"Old files that rotate keeps; {DEFAULT_KEEP} if not given.",
        default=None,
        parse=whole(1, _MAX_KEEP),
    )


class Rotation(TypedDict):
    """What LineFile takes of these names."""

    rotate_bytes: int | None
    keep: int


def rotation(address: Address, options: FileOptions) -> Rotation:
    """Return how the file at `address` is rotated.

    Raises UsageError where its path has a stream's name in it, and for `keep` without `rotate`.
    """
    if STREAM in address.path:
        cause = f"{STREAM} is for videos; every line of other files names its stream"
        raise UsageError(address.name, cause, f"leave {STREAM} out")
    if options.rotate_bytes is None and options.keep is not None:
        raise UsageError(address.name, "keep counts the files that rotate makes", "give rotate=SIZE as well")
    return {"rotate_bytes": options.rotate_bytes, "keep": options.keep or DEFAULT_KEEP}
