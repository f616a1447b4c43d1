"""What earlier runs have left in the outputs of this one, and what there is still to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import InputError, UsageError, reason_of
from pptsn.runtime.classify.origin import Stamp, Terms, stamp_of, stamp_of_served
from pptsn.runtime.classify.sinks.opening import rows_left_in
from pptsn.runtime.classify.sinks.rows import JsonRows, Row, Rows, read_rows
from pptsn.runtime.classify.sources import Asked, name_of
from pptsn.runtime.decoding.clips import Labelled, as_source
from pptsn.runtime.video import WebFile


@dataclass(frozen=True)
class EarlierRows:
    """The rows of one file, the last of each source.  places: of these rows, among all of them, from 0."""

    path: str
    kind: type[Rows]
    rows: dict[str, Row]
    places: dict[str, int]

    @classmethod
    def read(cls, path: str) -> EarlierRows:
        """Read the file at `path`, one of `output_names`, or the journal of it; a half line at its end is none.

        Raises UsageError for a file without rows of this release, InputError for one that cannot be read.
        """
        try:
            kind, lines = rows_left_in(path)
            rows = [row for _, row in read_rows(lines, kind, Path(path)) if row is not None]
        except OSError as error:
            raise InputError(path, f"cannot be read ({reason_of(error)})", "name another file") from error
        last = {row.source: row for row in rows}
        return cls(path, kind, last, {row.source: number for number, row in enumerate(rows)})

    def require(self, terms: Terms) -> None:
        """Raise UsageError where an answer is not by the model and the settings of `terms`, or nothing tells."""
        if not terms.model:
            cause = "nothing tells whether the model is the one that answered before"
            raise UsageError("--resume", cause, "take a model that is a file")
        remedy = "give the model and the settings of before, or leave --resume out to begin anew"
        for row in self.rows.values():
            if row.terms is not None and (difference := row.terms.unlike(terms)):
                raise UsageError(self.path, f"has answers of {difference}", remedy)

    def require_own_names(self, sources: Iterable[Asked]) -> None:
        """Raise UsageError where one row would stand for two of `sources`.

        They have one name here, as addresses that differ in a masked key; or are one source with two labels.
        """
        named: dict[str, Asked] = {}
        for asked in sources:
            if isinstance(asked, InputError):  # which has no answer to lose
                continue
            name = self.kind.name(name_of(asked))
            if (other := named.setdefault(name, asked)) == asked:
                continue
            cause = f"calls two sources {name}, and could not tell their answers apart"
            if as_source(other) == as_source(asked):
                cause = f"has one row for {name}, which is named twice, each time with another label or none"
            raise UsageError(self.path, cause, "classify them apart, or leave --resume out")

    def has_stamp(self, source: str) -> bool:
        """Whether an answer for `source` is here that says what the source was then."""
        row = self.rows.get(self.kind.name(source))
        return row is not None and row.stamp is not None

    def answers(self, source: str, stamp: Stamp | None, truth: str | None) -> bool:
        """Whether `source` has an answer here, and is what it was then.

        stamp: of the source now.  truth: its class, where it has a label; that of the row is the same then.
        """
        row = self.rows.get(self.kind.name(source))
        if row is None or row.stamp is None or row.stamp != stamp:
            return False
        return truth is None or row.truth == self.kind.name(truth)


def rows_to_resume(files: Sequence[str], *, below: float | None) -> list[EarlierRows]:
    """Return what `--resume` finds in `files`.

    below: answers of which score are left out of them; None for none.
    Raises UsageError where that cannot be resumed, and where there is no file; else as `EarlierRows.read`.
    """
    if not files:
        raise UsageError("--resume", "has no file to go on with", "name one by --output")
    if below is not None:
        cause = "leaves answers out of the files, which --resume would take for missing"
        raise UsageError("--below", cause, "resume without it; --sort score puts the doubtful ones first")
    return [EarlierRows.read(file) for file in files]


def still_to_do(sources: Iterable[Asked], earlier: Sequence[EarlierRows], *, labels: Sequence[str]) -> list[Asked]:
    """Return those of `sources` that lack an answer in one of the files, each once, in their order.

    labels: of the model's classes, all that labels of sources name; none where they are not known.
    Raises UsageError where rows call two of `sources` the same.
    """
    sources = list(sources)
    for each in earlier:
        each.require_own_names(sources)
    once = {name_of(source): source for source in sources}
    truths = {
        name: labels[source.label] for name, source in once.items() if labels and isinstance(source, Labelled)
    }
    stamps = _stamps(once, earlier)
    return [
        source
        for name, source in once.items()
        if not all(each.answers(name, stamps[name], truths.get(name)) for each in earlier)
    ]


def _stamps(sources: Mapping[str, Asked], earlier: Sequence[EarlierRows]) -> dict[str, Stamp | None]:
    """Return what tells each source now.  Web servers are asked for files alone that have rows everywhere."""
    files: dict[str, WebFile] = {}
    for name, asked in sources.items():
        source = as_source(asked)
        if isinstance(source, WebFile) and all(each.has_stamp(name) for each in earlier):
            files[name] = source
    stamps = {name: None if name in files else stamp_of(name) for name in sources}
    if files:
        from pptsn.runtime.video.web.asking import ask_servers  # not where no server is asked

        told = ask_servers(files.values())
        stamps.update((name, stamp_of_served(served)) for name, served in zip(files, told, strict=True))
    return stamps


def answered_before(earlier: Sequence[EarlierRows], left: Iterable[Asked]) -> Iterator[dict[str, Any]]:
    """Yield the answers that are there but for those of `left`, each by its fields, for what shows all of them.

    Nothing where no run is resumed.  Raises UsageError where none of the files has all fields, as a .csv has not.
    """
    if not earlier:
        return
    whole = next((each for each in earlier if each.kind is JsonRows), None)
    if whole is None:
        cause = "cannot show what was answered before: a .csv has not all of it"
        raise UsageError("--gallery", cause, "resume a .jsonl or a .json as well, or leave --resume out")
    anew = {JsonRows.name(name_of(source)) for source in left}
    numbers = {number for source, number in whole.places.items() if source not in anew}
    for number, line in enumerate(rows_left_in(whole.path)[1]):
        if number in numbers:
            yield json.loads(line)
