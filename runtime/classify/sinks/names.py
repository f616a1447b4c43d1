"""What is known of outputs before any is opened: their names and endings, and by what rows are sorted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from pptsn.runtime.base.errors import UsageError, folder_in_its_place

STANDARD_OUTPUT = "-"
# Other names of it; opened anew, a file behind it would lose what it holds.
_ITS_NAMES = (STANDARD_OUTPUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
JSON_LINES, CSV, JSON, PARQUET = ENDINGS = (".jsonl", ".csv", ".json", ".parquet")
_WITH_EVIDENCE = (JSON_LINES, JSON, PARQUET)
OUTPUT_HELP = (
    "Write to a file: .jsonl has a JSON object a source, .csv a row; .json, an array, and .parquet, a table, are "
    "made at the end; - prints lines of JSON. It can be given several times."
)


class Sort(str, Enum):
    """By which figure rows are sorted: the leading class's score, or how far ahead of the second it is."""

    SCORE = "score"
    MARGIN = "margin"


def output_names(given: Iterable[str]) -> list[str]:
    """Return the outputs that `given` names, each file once, standard output as `-`.

    Raises UsageError for an address, and for a file whose ending says nothing of how to write it, InputError for a
    folder.
    """
    names: dict[str, str] = {}
    for name in given:
        name = STANDARD_OUTPUT if name in _ITS_NAMES else name
        if "://" in name:
            raise UsageError("--output", "is an address, expected a file", "`pptsn stream` posts what it finds")
        if name != STANDARD_OUTPUT and ending_of(name) not in ENDINGS:
            if Path(name).is_dir():
                raise folder_in_its_place(name)
            expected = f"expected {', '.join(ENDINGS)}, or - for standard output"
            raise UsageError(name, "has no ending that says how to write it", expected)
        names.setdefault(name if name == STANDARD_OUTPUT else os.path.realpath(name), name)
    return list(names.values())


def check_evidence_goes(outputs: Iterable[str]) -> None:
    """Raise UsageError where none of `outputs`, which `output_names` gave, has a place for evidence."""
    if not any(name == STANDARD_OUTPUT or ending_of(name) in _WITH_EVIDENCE for name in outputs):
        places = ", ".join(_WITH_EVIDENCE)
        raise UsageError("--evidence", f"goes to {places} and - alone, and to a --gallery", "add one")


def ending_of(name: str) -> str:
    """Return the ending of a file's name, in small letters."""
    return Path(name).suffix.lower()
