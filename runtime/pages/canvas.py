"""Matplotlib, and how all plots look: the one file that loads it."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.foreign_files import keep_matplotlib_here

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
# 1,500 rather than 1500 at the ticks of an axis.
THOUSANDS = "{x:,.10g}"
_WIDTH_IN = 6.4
_PNG_DPI = 160
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
    "text.parse_math": False,  # a dollar in a name is a dollar
}


def check_matplotlib() -> None:
    """Raise MissingDependencyError where Matplotlib is not installed; it is not loaded, which costs memory."""
    if find_spec("matplotlib") is None:
        raise _missing("it is not installed")


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw and write figures in the style of this project inside the block.  Raises MissingDependencyError."""
    keep_matplotlib_here()
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
    from matplotlib.ticker import LogLocator, NullFormatter

    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    getattr(axis.axes, f"set_{name}lim")(low, high)
    span = high / low
    steps = (1.0,) if span > 1000 else (1.0, 2.0, 5.0) if span > 8 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_major_formatter(THOUSANDS)
    axis.set_minor_formatter(NullFormatter())


def write_png(figure: Any, path: str | Path) -> None:
    """Write `figure` to `path`, on white.  Raises InputError where it cannot be written."""
    with atomic_file(path) as temporary:
        _save(figure, temporary)


def png_uri(figure: Any) -> str:
    """Return `figure`, on white, as the address of a picture that a page has in itself."""
    written = io.BytesIO()
    _save(figure, written)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


def _save(figure: Any, file: Any) -> None:
    with plot_style():
        figure.savefig(file, format="png", dpi=_PNG_DPI, facecolor="white")


def _missing(cause: str) -> MissingDependencyError:
    return MissingDependencyError(
        "matplotlib", f"the plots of a report need Matplotlib ({cause})", f"run: {install_command('bench')}"
    )
