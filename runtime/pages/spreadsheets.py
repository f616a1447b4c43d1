"""CSV for spreadsheets: a row is a line, letters stay what they are, and no text is run as a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pptsn.runtime.base.errors import spelled

# A mark by which spreadsheets know UTF-8; without it they garble labels that are not English.
BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


def csv_row(values: Iterable[object]) -> str:
    r"""Return one line of CSV, without its end.

    Line breaks in a text are spelled out, as `\n`.  A text that a spreadsheet would run as a formula (it begins
    with `=`, `+`, `-` or `@`) comes after an apostrophe, by which spreadsheets know text.  None and what is no
    finite number stay empty; truth is 1 or 0.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_cell(value) for value in values])
    return text.getvalue()


def rank_columns(top: int) -> list[str]:
    """Return the columns of the classes behind the leading one: `label_2`, `score_2` ... up to `top`."""
    return [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "score")]


def ranked(leading: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the cells of the leading classes, best first: all of the first, and `rank_columns` of the others."""
    cells = dict(leading[0])
    for rank, entry in enumerate(leading[1:], start=2):
        cells[f"label_{rank}"], cells[f"score_{rank}"] = entry["label"], entry["score"]
    return cells


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not isinstance(value, str):
        return value
    text = spelled(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
