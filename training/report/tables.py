"""The tables of a report, as CSV: a row for each clip; the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pptsn.runtime.classify.results import Failure
from pptsn.runtime.pages.spreadsheets import csv_row
from pptsn.training.report.findings import Findings

_CLIP_COLUMNS = ("source", "label", "answer", "right", "score", "score_of_label", "warnings", "error")


def clips_csv(findings: Findings) -> str:
    """Return a row for each clip of the test list: its class, its answer, their scores, what was wrong with it."""
    labels = findings.spec.labels
    rows: list[Sequence[Any]] = []
    for label, result in zip(findings.answered.labels, findings.answered.results, strict=True):
        if isinstance(result, Failure):
            rows.append((result.source, labels[label], "", "no", "", "", "", str(result.error)))
            continue
        (best,) = result.top(1)
        right = "yes" if best.class_id == label else "no"
        scores = f"{best.score:.6f}", f"{result.scores[label]:.6f}"
        rows.append((result.source, labels[label], best.label, right, *scores, "; ".join(result.warnings), ""))
    return _csv(_CLIP_COLUMNS, rows)


def confusion_csv(findings: Findings) -> str:
    """Return the confusion matrix: a row for each class of the clips, a column for each answer."""
    labels = findings.spec.labels
    rows = [(label, *counts) for label, counts in zip(labels, findings.figures.confusion.tolist(), strict=True)]
    return _csv(("class", *labels), rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "".join(f"{csv_row(row)}\n" for row in ([*columns], *rows))
