"""What `pptsn convert int8` prints of its trials."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from pptsn.convert.int8.options import Recipe
from pptsn.convert.int8.search import Candidate, LayerError


def candidates_table(candidates: Sequence[Candidate], chosen: Recipe) -> Table:
    """Return the table of all trials; a star marks `chosen`.

    error, worst: the median and the largest normalised logit error of a frame (`agreement.normalised_errors`).
    """
    table = Table(
        "", "method", "placement", "skipped", "error", "worst", "same answer",
        title="On held-out frames", title_justify="left", box=SIMPLE,
    )  # fmt: skip
    for candidate in candidates:
        recipe, figures = candidate.recipe, candidate.figures
        table.add_row(
            "*" if recipe == chosen else "",
            recipe.method,
            recipe.placement,
            str(len(recipe.skipped)),
            f"{figures.error_median:.4f}",
            f"{figures.error_worst:.4f}",
            f"{figures.top1:.1%}",
        )
    return table


def layers_table(layers: Sequence[LayerError]) -> Table:
    """Return the table of each convolution's own error."""
    table = Table(
        "layer", "error", "worst",
        title="One layer quantized alone", title_justify="left", box=SIMPLE,
    )  # fmt: skip
    for layer in layers:
        table.add_row(layer.layer, f"{layer.median:.4f}", f"{layer.worst:.4f}")
    return table
