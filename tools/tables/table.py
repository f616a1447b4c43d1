"""The table: mean and spread of each row over the seeds, and how far it is from the student alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from tools.tables.kept import Measured

# Two-sided 95 % of Student's distribution, by degrees of freedom.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


def markdown(rows: Mapping[str, Mapping[int, Measured]], names: Sequence[str], *, plain: str) -> str:
    """Return the table of the rows `names`, in their order, beside the row `plain`, seed by seed.

    A row that has not been measured yet says so.
    """
    lines = [
        "| | top-1: mean (deviation; lowest to highest), % | points over the first row, by seed (95 %) | seeds |",
        "|---|---|---|---|",
    ]
    for name in names:
        found = rows.get(name, {})
        values = [each.percent for _, each in sorted(found.items())]
        cells = [
            name,
            _spread(values),
            "" if name == plain else _gain(found, rows.get(plain, {})),
            str(len(values)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "not measured yet"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    deviation = statistics.stdev(values)
    return f"{statistics.mean(values):.1f} ({deviation:.1f}; {min(values):.1f} to {max(values):.1f})"


def _gain(found: Mapping[int, Measured], plain: Mapping[int, Measured]) -> str:
    """Return the mean difference over the seeds that both have, with its 95 % interval."""
    pairs = [found[seed].percent - plain[seed].percent for seed in sorted(found.keys() & plain.keys())]
    if not pairs:
        return ""
    mean = statistics.mean(pairs)
    if len(pairs) == 1:
        return f"{mean:+.1f}"
    half = _T.get(len(pairs) - 1, 1.96 + 2.4 / (len(pairs) - 1)) * statistics.stdev(pairs) / math.sqrt(len(pairs))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"
