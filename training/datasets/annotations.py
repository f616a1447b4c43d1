"""What annotation files say of one clip, whatever the data set; and how their text is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import read_small

# Ten times those of Kinetics-700.
_MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class Annotation:
    """One clip.

    names: what its file may be called, without its suffix: the published name first.
    folder: the name of its class, as the folder is called that published files of the class lie in.
    label: the number of its class.  split: the list that it belongs to.
    """

    names: tuple[str, ...]
    folder: str
    label: int
    split: str

    @property
    def published(self) -> str:
        """The clip's path in the published layout, without a suffix."""
        return f"{self.folder}/{self.names[0]}"


def read_annotation_text(path: Path) -> str:
    """Return the text of an annotation file; raises InputError where it cannot be read."""
    try:
        return read_small(path, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        cause = f"cannot be read ({error.strerror or error})"
        raise InputError(path, cause, "name an annotation file of the data set") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8", "name an annotation file of the data set") from error
