"""Matplotlib, and how all plots look: the one file that loads it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.files import atomic_file

# Told apart by people who do not see all colours (Okabe and Ito), and seen on white as well as on black.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#9a8cff",
    "#a6a600",
    "#b07a4f",
    "#8a8f98",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, FAINT, BEHIND = "#24292f", "#d0d7de", "#ffffff"
_WIDTH_IN = 6.4
_PNG_DPI = 160
# What the page replaces by its own colours, which follow the reader's choice of light or dark.
_PAGE_COLOURS = {INK: "currentColor", FAINT: "var(--line)", BEHIND: "var(--paper)"}
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "pptsn",
    "text.parse_math": False,  # a dollar in a name is a dollar
}


def check_matplotlib() -> None:
    """Raise MissingDependencyError where Matplotlib is not installed; it is not loaded, which costs memory."""
    if find_spec("matplotlib") is None:
        raise _missing("it is not installed")


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw and write figures in the style of this project inside the block.  Raises MissingDependencyError."""
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise _missing(str(error)) from error
    with rc_context(_STYLE), warnings.catch_warnings():
        # A name may have letters that the font lacks; the tables have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_axes(*, height_in: float) -> tuple[Any, Any]:
    """Return a figure and its axes, to be drawn inside `plot_style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_axisbelow(True)
    return figure, axes


def log_axis(axis: Any, low: float, high: float) -> None:
    """Make `axis` logarithmic from `low` to `high`, with plain numbers at its ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    getattr(axis.axes, f"set_{name}lim")(low, high)
    span = high / low
    steps = (1.0,) if span > 1000 else (1.0, 2.0, 5.0) if span > 8 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def group_thousands(axis: Any) -> None:
    """Write 1,500 rather than 1500 at the ticks of `axis`."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def write_png(figure: Any, path: str | Path) -> None:
    """Write `figure` to `path`, on white.  Raises InputError where it cannot be written."""
    with atomic_file(path) as temporary, plot_style():
        figure.savefig(temporary, format="png", dpi=_PNG_DPI, facecolor="white")


def inline_svg(figure: Any, name: str, description: str) -> str:
    """Return `figure` as an `<svg>` element for a page: without a background, in the page's colours.

    name: goes before each identifier, so that several of them can share a page.  description: plain text, for
    those who cannot see it.
    """
    written = io.StringIO()
    with plot_style():
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    for colour, replacement in _PAGE_COLOURS.items():
        svg = svg.replace(colour, replacement)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def _missing(cause: str) -> MissingDependencyError:
    return MissingDependencyError(
        "matplotlib", f"the plots of a report need Matplotlib ({cause})", f"run: {install_command('bench')}"
    )
