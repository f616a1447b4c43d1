"""What was measured, a line of JSON each, so that a table that was stopped is gone on with."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """A row of one seed.

    terms: a digest of all that it hangs on but the seed; another recipe makes other terms.
    right, clips: of the test list.  cpu_s: of the run, its evaluation left out.
    """

    terms: str
    row: str
    seed: int
    right: int
    clips: int
    cpu_s: float

    @property
    def percent(self) -> float:
        """The top-1, in percent."""
        return 100 * self.right / self.clips


class Kept:
    """The file of what was measured."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, found: Iterable[Measured]) -> None:
        """Append `found`, all in one write."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write("".join(f"{json.dumps(asdict(each))}\n" for each in found))

    def rows(self, terms: str) -> Mapping[str, Mapping[int, Measured]]:
        """Return what was measured under `terms`, by row and seed; a line that was cut off is passed over."""
        found: defaultdict[str, dict[int, Measured]] = defaultdict(dict)
        if not self._path.exists():
            return found
        for line in self._path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                each = Measured(**json.loads(line))
                if each.terms == terms:
                    found[each.row][each.seed] = each
        return found
