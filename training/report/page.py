"""The page of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pptsn.runtime.classify.results import Failure
from pptsn.runtime.pages.canvas import png_uri
from pptsn.runtime.pages.html import rendered
from pptsn.training.report.figures import Share
from pptsn.training.report.findings import Findings
from pptsn.training.report.pictures import draw_confusion, draw_reliability, frames_of

_TEMPLATE = Path(__file__).with_name("page.html")
_WRONG_SHOWN, _FRAMES_SHOWN, _PAIRS_SHOWN = 12, 3, 12
# A page of more rows is slow to open; the CSV has all of them.
_MOST_ROWS = 2000


def page_of(findings: Findings) -> str:
    """Return the report as one page of HTML, with its pictures in itself.  Raises MissingDependencyError."""
    figures, labels = findings.figures, findings.spec.labels
    return rendered(
        _TEMPLATE,
        findings=findings,
        top1=_share(figures.top1),
        top5=_share(figures.top5) if len(labels) > 5 else None,
        classes=_class_rows(findings),
        confused=[
            {"label": labels[own], "answer": labels[answer], "clips": clips}
            for own, answer, clips in figures.confused(_PAIRS_SHOWN)
        ],
        confusion=png_uri(draw_confusion(figures, labels)) if len(figures.labels) else None,
        reliability=_reliability(findings),
        wrong=[_wrong(findings, index) for index, _ in findings.wrong(_WRONG_SHOWN)],
        rows=_clip_rows(findings) if len(findings.answered.labels) <= _MOST_ROWS else None,
    )


def _reliability(findings: Findings) -> str | None:
    if findings.calibration is None:
        return None
    return png_uri(draw_reliability(findings.calibration, findings.calibrated, temperature=findings.temperature))


def _class_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return a row for each class that has clips or was an answer, those that go wrong most first."""
    figures, labels = findings.figures, findings.spec.labels
    rows = [
        {"label": label, "top1": _share(own), "answered": _share(answered)}
        for label, own, answered in zip(labels, figures.by_class, figures.answered_right, strict=True)
        if own or answered
    ]
    return sorted(rows, key=lambda row: row["top1"]["percent"] if row["top1"] else 101.0)


def _share(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    low, high = share.interval
    return {
        "percent": 100 * share.value,
        "low": 100 * low,
        "high": 100 * high,
        "right": share.right,
        "clips": share.clips,
    }


def _wrong(findings: Findings, index: int) -> dict[str, Any]:
    return {
        **_row(findings, index),
        "pictures": frames_of(findings.answered.sources[index], findings.spec, count=_FRAMES_SHOWN),
    }


def _clip_rows(findings: Findings) -> list[dict[str, Any]]:
    return [_row(findings, index) for index in range(len(findings.answered.labels))]


def _row(findings: Findings, index: int) -> dict[str, Any]:
    label, result = findings.answered.labels[index], findings.answered.results[index]
    row: dict[str, Any] = {"source": result.source, "label": findings.spec.labels[label]}
    if isinstance(result, Failure):
        return {**row, "error": str(result.error), "right": False, "answers": [], "warnings": ()}
    best = result.top(3)
    return {
        **row,
        "error": None,
        "right": best[0].class_id == label,
        "answers": [{"label": one.label, "score": 100 * one.score} for one in best],
        "own_score": 100 * float(result.scores[label]),
        "warnings": result.warnings,
    }
