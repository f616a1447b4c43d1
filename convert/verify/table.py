"""What `pptsn verify` prints: a line on two models, a table of a chain."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from pptsn.convert.verify.agreement import Agreement
from pptsn.convert.verify.chain import Chain, Link
from pptsn.convert.verify.proof import PROVES, REFERENCE, Proof
from pptsn.convert.verify.report import Report
from pptsn.runtime.base.errors import one_line
from pptsn.runtime.base.progress import results

# Heading, and what a link shows there.
_Column = tuple[str, Callable[[Link], str]]


def report_line(report: Report) -> str:
    """Return the figures of `report` in one line."""
    figures = report.figures
    verdict = "passed" if report.passed else "FAILED"
    line = (
        f"{verdict}: {report.model} against {report.against}: {_rows(report)}, "
        f"logits differ by {figures.max_abs:.2e} at most and {figures.mean_abs:.2e} on average "
        f"({_tolerance(report)}normalised {figures.error_median:.2e} in the median, {figures.error_worst:.2e} "
        f"at worst), top-1 agreement {figures.top1:.1%}, top-5 {figures.top5:.1%}"
    )
    return one_line(line if report.drop is None else f"{line}, {report.drop:.2f} points of top-1 lost")


def proof_lines(proof: Proof) -> list[str]:
    """Return what a proof found: a line on the build, one on an INT8 file's constants, and what it comes to."""
    lines = [f"{_short(proof.build)} against Paddle's logits in {REFERENCE}, by {proof.identity}"]
    if proof.constants is not None:
        lines.append(f"{_short(proof.constants)} against its conversion, activations unrounded: its constants")
    lines += [f"FAILED: {proof.build.model}: {cause}" for cause in proof.failures()]
    lines += [f"note: {remark}" for remark in proof.remarks]
    if proof.passed:
        lines.append(f"proven: {PROVES}, which takes --labelled clips")
    return [one_line(line) for line in lines]


def _short(report: Report) -> str:
    verdict, figures = "passed" if report.passed else "FAILED", report.figures
    limit = report.limits.error_worst
    allowed = "" if limit is None else f", {limit:.2g} allowed"
    error = f"normalised error {figures.error_worst:.2e} at worst{allowed}"
    return f"{verdict}: {report.model}: {figures.rows} crops, {error}"


def _rows(report: Report) -> str:
    rows = report.figures.rows
    return f"{rows} rows" if report.named in (None, rows) else f"{rows} of {report.named} clips"


def _tolerance(report: Report) -> str:
    return "" if report.limits.max_abs is None else f"tolerance {report.limits.max_abs:g}; "


def print_chain(chain: Chain) -> None:
    """Print the table of `chain` on standard output, without colours where that is no terminal."""
    console = results()
    columns = _columns(chain)
    table = Table(
        title=f"{_clips(chain)}, {chain.runs.segments} segments, views {chain.runs.views}, {chain.runs.sampling}; "
        "figures against the first model",
        title_justify="left",
        box=SIMPLE,
    )
    for index, (heading, _) in enumerate(columns):
        table.add_column(heading, justify="left" if index < 2 else "right", overflow="fold")
    for link in chain.links:
        table.add_row(*(escape(one_line(show(link))) for _, show in columns))
    console.print(table)
    for link in chain.links:
        for failure in link.failures:
            console.print(f"FAILED: {one_line(link.model)}: {failure}", markup=False, soft_wrap=True)
        for remark in link.remarks:
            console.print(f"note: {one_line(link.model)}: {remark}", markup=False, soft_wrap=True)


def _clips(chain: Chain) -> str:
    return f"{chain.clips} clips" if chain.clips == chain.named else f"{chain.clips} of {chain.named} clips"


def _columns(chain: Chain) -> list[_Column]:
    """Return the columns that say something: accuracy needs labels, the step before needs three models."""
    columns: list[_Column] = [
        ("model", lambda link: one_line(link.model)),
        ("precision", lambda link: link.precision),
        ("MB", lambda link: f"{link.size_bytes / 1e6:.1f}"),
    ]
    if chain.links[0].top1 is not None:
        columns += [("top-1", lambda link: _share(link.top1)), ("top-5", lambda link: _share(link.top5))]
    columns += [
        ("same\ntop-1", lambda link: _share(_figure(link.against_first, "top1"))),
        ("max\nerror", lambda link: _error(_figure(link.against_first, "max_abs"))),
        ("mean\nerror", lambda link: _error(_figure(link.against_first, "mean_abs"))),
        ("normalised\nmedian", lambda link: _error(_figure(link.against_first, "error_median"))),
        ("normalised\nworst", lambda link: _error(_figure(link.against_first, "error_worst"))),
    ]
    if len(chain.links) > 2:
        columns += [
            ("same top-1 as\none before", lambda link: _share(_figure(link.against_previous, "top1"))),
            ("worst against\none before", lambda link: _error(_figure(link.against_previous, "error_worst"))),
        ]
    columns.append(("verdict", _verdict))
    return columns


def _figure(figures: Agreement | None, name: str) -> float | None:
    return None if figures is None else float(getattr(figures, name))


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"


def _verdict(link: Link) -> str:
    if link.against_first is None:
        return "reference"
    return "FAILED" if link.failures else "passed"
