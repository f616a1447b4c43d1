"""What there is to say of many sources, once they are classified."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from pptsn.runtime.base.errors import spelled
from pptsn.runtime.classify.results import Classification, Failure, in_all, is_doubtful

_CLASSES_NAMED = 3


class Summary:
    """Counts results: how many there are, of which classes, how fast they came.

    below: a score; the answers whose leading class has less are counted.
    """

    def __init__(self, *, below: float | None = None) -> None:
        self._below, self._doubtful = below, 0
        self._started_s = self._last_s = time.monotonic()
        self._leading: Counter[str] = Counter()
        self.failed = self._warned = 0
        self._labelled = self._right = 0

    def count(self, result: Classification | Failure) -> None:
        """Count one more."""
        self._last_s = time.monotonic()
        self._labelled += result.truth is not None
        self._right += bool(result.right)
        if isinstance(result, Failure):
            self.failed += 1
            return
        self._warned += bool(result.warnings)
        self._doubtful += is_doubtful(result, self._below)
        self._leading[result.top(1)[0].label] += 1

    def line(self, *, files: Sequence[str], before: int = 0) -> str:
        """Return all of it in a line.  files: that hold the results, and those of so many sources of before."""
        answered = self._leading.total()
        passed_s = self._last_s - self._started_s
        parts = [in_all(answered + self.failed, failed=self.failed, warned=self._warned)]
        if answered:
            parts += [f"{answered / passed_s:.3g} a second", self._classes()]
        if self._below is not None:
            parts.append(f"{self._doubtful} below {self._below:g}")
        if self._labelled:
            parts.append(f"top-1 {self._right / self._labelled:.1%} ({self._right} of {self._labelled} right)")
        if files and not self._doubtful and not self.failed:
            parts.append(f"nothing to write, {', '.join(files)} left as before")
        elif files:
            beside = f", beside {before} of before" if before else ""
            parts.append(f"in {', '.join(files)}{beside}")
        return "; ".join(parts)

    def _classes(self) -> str:
        named = self._leading.most_common(_CLASSES_NAMED)
        texts = [f"{spelled(label)} {count}" for label, count in named]
        if others := len(self._leading) - len(named):
            texts.append("1 more class" if others == 1 else f"{others} more classes")
        return ", ".join(texts)
