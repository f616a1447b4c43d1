"""The picture of a run: loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.foreign_files import keep_matplotlib_here

_TRAIN, _VALIDATION, _SECOND = "#4477aa", "#ee6677", "#ccbb44"
_GRID = "#dddddd"


def require_plot() -> None:
    """Raise MissingDependencyError where Matplotlib is missing, which draws the picture."""
    _matplotlib()


def plot_metrics(records: Sequence[dict[str, Any]], path: str | Path, *, title: str) -> None:
    """Draw `records`, the objects of a `metrics.jsonl`, into the PNG file `path`.

    Three panels over the epochs: loss (each logged iteration, and the means of training and validation),
    accuracy in validation with its best epoch marked, learning rate.
    Raises what `require_plot` raises.
    """
    figure_class, canvas = _matplotlib()
    epochs = [record for record in records if record["kind"] == "epoch"]
    iterations = [record for record in records if record["kind"] == "iteration"]
    figure = figure_class(figsize=(8, 9), dpi=120, layout="constrained")
    canvas(figure)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.6))
    figure.suptitle(title, fontsize=12, fontweight="bold")
    _draw_loss(loss, epochs, iterations)
    _draw_accuracy(accuracy, epochs)
    _draw_rate(rate, iterations)
    for axes in (loss, accuracy, rate):
        axes.grid(color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png")


def _matplotlib() -> tuple[Any, Any]:
    """Return its figure, and what makes a PNG of one."""
    keep_matplotlib_here()
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "matplotlib", "the training plot needs Matplotlib", f"run: {install_command('train')}"
        ) from error
    return Figure, FigureCanvasAgg


def _draw_loss(axes: Any, epochs: list[dict[str, Any]], iterations: list[dict[str, Any]]) -> None:
    axes.set_ylabel("loss")
    x, loss = _columns(iterations, "loss")
    axes.plot(x, loss, color=_TRAIN, alpha=0.3, linewidth=1, label="training, one batch")
    for name, colour, label in (
        ("train_loss", _TRAIN, "training (as it is optimised)"),
        ("val_loss", _VALIDATION, "validation (centre crop)"),
    ):
        axes.plot(*_columns(epochs, name), color=colour, marker="o", markersize=3, linewidth=1.8, label=label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)


def _draw_accuracy(axes: Any, epochs: list[dict[str, Any]]) -> None:
    axes.set_ylabel("accuracy in validation, %")
    for name, colour, label in (("val_top1", _VALIDATION, "top-1"), ("val_top5", _SECOND, "top-5")):
        x, share = _columns(epochs, name)
        axes.plot(x, [100 * s for s in share], color=colour, marker="o", markersize=3, linewidth=1.8, label=label)
    if epochs:
        best = max(epochs, key=lambda record: record["val_top1"])
        text, height = f"best {100 * best['val_top1']:.1f}", 100 * best["val_top1"]
        axes.plot(best["epoch"], height, marker="o", markersize=9, color=_VALIDATION, fillstyle="none")
        axes.annotate(
            text, (best["epoch"], height), xytext=(0, -18), textcoords="offset points", ha="right", fontsize=9
        )
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_rate(axes: Any, iterations: list[dict[str, Any]]) -> None:
    axes.set_ylabel("learning rate")
    axes.set_xlabel("epoch")
    axes.plot(*_columns(iterations, "rate"), color="#666666", linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _columns(records: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Return the epochs (a fraction, for iterations) of `records` and their values called `name`."""
    return [record["epoch"] for record in records], [record[name] for record in records]
