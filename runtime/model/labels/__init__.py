"""Class names: of Kinetics-400, and from files.

`kinetics400.txt` is the class list of the Kinetics-400 data set in alphabetical order, the order in which the
published checkpoints number their classes (5 = archery).  Source: W. Kay et al., "The Kinetics Human Action
Video Dataset", arXiv 1705.06950 (2017), appendix A; the data set is licensed CC BY 4.0 by Google.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import read_small
from pptsn.runtime.model.spec import LONGEST_LABEL, MOST_CLASSES

_MOST_BYTES = 4 * LONGEST_LABEL * MOST_CLASSES


def kinetics400() -> tuple[str, ...]:
    """Return the 400 class names of Kinetics-400, in class order."""
    return tuple((Path(__file__).parent / "kinetics400.txt").read_text(encoding="utf-8").splitlines())


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Return the class names in a file: `name` or `id name` a line, in class order.  Blank lines are ignored.

    A file counts as numbered where every line starts with its own number, counted from 0, followed by a name;
    so class names that begin with a digit are safe.  Raises InputError for a file that is missing, empty, no
    text, or names a class twice.
    """
    try:
        text = read_small(path, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise InputError(
            path, f"cannot be read as a label file ({cause})", "expected one class name a line"
        ) from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise InputError(path, "holds no class names", "expected one class name a line")
    numbered = [name.split(maxsplit=1) for name in names]
    if all(len(parts) == 2 and parts[0] == str(i) for i, parts in enumerate(numbered)):
        names = [parts[1] for parts in numbered]
    if len(names) > MOST_CLASSES:
        raise InputError(path, f"names {len(names)} classes, expected {MOST_CLASSES} at most")
    longest = max(names, key=len)
    if len(longest) > LONGEST_LABEL:
        cause = f"has a class name of {len(longest)} characters ({longest[:40]!r}...)"
        raise InputError(path, cause, f"expected {LONGEST_LABEL} at most, and one class name a line")
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise InputError(path, f"names {repeated[0]!r} more than once", "give each class a name of its own")
    return tuple(names)
