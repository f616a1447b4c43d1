"""Pictures that are missing among those of a folder, by the numbers in the others' names."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import PurePath

NUMBER = re.compile(r"([0-9]+)")
# A day, with the time of it or without, and a time of day: they skip what does not exist, as a 61st second.
_DAY = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])?(?:[0-5]\d){0,2}\d{0,6}"
)
_TIME = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d")
# The same as people write them, in numbers of their own: 2026-11-27, 2026-11-27T09-30, 2026_11_27 09.30.59.
_WRITTEN = re.compile(
    r"(?<!\d)(?:19|20)\d\d([-_.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_T ]+(?:[01]\d|2[0-3])([-_.:])[0-5]\d(?:\2[0-5]\d)?)?(?!\d)"
)
# Where fewer of a row's pictures are there, its numbers count something else.
_FEWEST_SHARE = 0.01


@dataclass(frozen=True)
class Missing:
    """So many pictures are missing, of which the first would be called `first`."""

    count: int
    first: tuple[str, ...]


def missing_among(names: Sequence[str], *, named: int) -> Missing:
    """Return which pictures are missing between the first and the last of each numbered row in `names`.

    A row are names that differ in one number, by steps of which the smallest divides all; a number that is a date
    or a time counts nothing.  Nobody can tell what is missing before a row's first picture or after its last.
    named: how many of the missing get a name.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        alike[tuple(NUMBER.split(PurePath(name).stem)[::2])].append(name)
    count = 0
    first: list[str] = []
    for group in alike.values():
        for row in _rows(group):
            count += row.missing
            first += islice(row.absent(), named - len(first))
    return Missing(count, tuple(first))


@dataclass(frozen=True)
class _Row:
    """The names of one row by their numbers, which stand in the column `column` of their parts."""

    by_number: dict[int, str]
    column: int

    @property
    def numbers(self) -> list[int]:
        return sorted(self.by_number)

    @property
    def step(self) -> int:
        """From a number to the next; 0 where they follow no rule."""
        steps = [after - before for before, after in pairwise(self.numbers)]
        return min(steps) if steps and math.gcd(*steps) == min(steps) else 0

    @property
    def missing(self) -> int:
        """How many of the row are missing; 0 where hardly any is there, or it is none."""
        numbers, step = self.numbers, self.step
        if not step:
            return 0
        due = (numbers[-1] - numbers[0]) // step + 1
        return due - len(numbers) if len(numbers) >= _FEWEST_SHARE * due else 0

    def absent(self) -> Iterator[str]:
        """Yield what the missing ones would be called, after the one before."""
        step = self.step if self.missing else 0
        for before, after in pairwise(self.numbers if step else ()):
            path = PurePath(self.by_number[before])
            parts = NUMBER.split(path.stem)
            width = len(parts[self.column])
            for number in range(before + step, after, step):
                parts[self.column] = f"{number:0{width}d}"
                yield "".join(parts) + path.suffix


def _rows(group: Sequence[str]) -> Iterator[_Row]:
    """Yield the rows of names that are alike but for their numbers."""
    parts = [NUMBER.split(PurePath(name).stem) for name in group]
    columns = [column for column in range(1, len(parts[0]), 2) if _counts(parts, column)]
    counters = [column for column in columns if len({part[column] for part in parts}) == len(group)]
    if counters:  # of a counter and a timestamp beside it, the one that goes through the fewest numbers
        column = min(counters, key=lambda column: _span([int(part[column]) for part in parts]))
        yield _Row({int(part[column]): name for part, name in zip(parts, group, strict=True)}, column)
        return
    if not columns:
        return
    rows: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for part, name in zip(parts, group, strict=True):
        others = (*part[: columns[-1]], *part[columns[-1] + 1 :])
        rows[others][int(part[columns[-1]])] = name
    for by_number in rows.values():
        yield _Row(by_number, columns[-1])


def _counts(parts: Sequence[list[str]], column: int) -> bool:
    """Whether the numbers in `column` differ, and are no dates or times."""
    numbers = {part[column] for part in parts}
    if len(numbers) < 2 or all(map(_DAY.fullmatch, numbers)):
        return False
    after_a_day = column > 1 and all(_DAY.fullmatch(part[column - 2]) for part in parts)
    if after_a_day and all(map(_TIME.fullmatch, numbers)):
        return False
    return not all(_is_written(part, column) for part in parts)


def _is_written(part: Sequence[str], column: int) -> bool:
    """Whether the number in `column` is one of a date, or of the time after it."""
    start = len("".join(part[:column]))
    return any(found.start() <= start < found.end() for found in _WRITTEN.finditer("".join(part)))


def _span(numbers: Sequence[int]) -> int:
    return max(numbers) - min(numbers)
