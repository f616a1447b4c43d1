"""The pictures of a report: the confusion matrix, scores beside right answers, frames of single clips."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from pptsn.runtime.base.errors import one_line
from pptsn.runtime.decoding.clips import ClipFrame, Source, clip_frames
from pptsn.runtime.evaluate.calibration import Calibration
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.pages.canvas import COLOURS, FAINT, INK, new_axes, plot_style
from pptsn.training.report.figures import Figures

# Beyond these the names and numbers of a matrix run into each other; the table has them.
_MOST_NAMED, _MOST_NUMBERED = 40, 20
_LONGEST_NAME = 24
_JPEG_QUALITY, _FRAME_HEIGHT = 80, 112


def draw_confusion(figures: Figures, labels: Sequence[str]) -> Any:
    """Return the figure of the confusion matrix: of the clips of a class (row), the share of each answer."""
    counts = figures.confusion
    of_class = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(labels)
    with plot_style():
        figure, axes = new_axes(height_in=min(12.0, 2.2 + 0.26 * classes))
        axes.imshow(counts / of_class, cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel("answer")
        axes.set_ylabel("class of the clip")
        if classes <= _MOST_NAMED:
            names = [_shortened(label) for label in labels]
            axes.set_xticks(range(classes), names, rotation=90)
            axes.set_yticks(range(classes), names)
        if classes <= _MOST_NUMBERED:
            for row, column in np.argwhere(counts):
                share = counts[row, column] / of_class[row, 0]
                colour = "white" if share > 0.6 else INK
                axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour)
    return figure


def draw_reliability(before: Calibration, after: Calibration | None, *, temperature: float | None) -> Any:
    """Return the figure of the share of right answers over the score, before and after the temperature."""
    with plot_style():
        figure, axes = new_axes(height_in=4.6)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.5)
        _draw_bins(axes, before, COLOURS[0], f"as the model says (error {before.error:.1%})")
        if after is not None:
            label = f"at temperature {temperature:.3g} (error {after.error:.1%})"
            _draw_bins(axes, after, COLOURS[1], label)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("score of the answer, mean of a bin")
        axes.set_ylabel("share of right answers")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _draw_bins(axes: Any, drawn: Calibration, colour: str, label: str) -> None:
    scores, right = [one.score for one in drawn.bins], [one.right for one in drawn.bins]
    most = max(one.clips for one in drawn.bins)
    axes.plot(scores, right, color=colour, linewidth=1.5, label=label)
    axes.scatter(scores, right, s=[12 + 80 * one.clips / most for one in drawn.bins], color=colour, zorder=3)


def _shortened(label: str) -> str:
    text = one_line(label)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def frames_of(source: Source, spec: ModelSpec, *, count: int) -> list[str]:
    """Return `count` frames of a clip, evenly spread, as addresses of JPEGs that a page has in itself.

    None where it can no longer be read; fewer where it has fewer.
    """
    items = clip_frames([source], spec, segments=count, rule="centre")
    return [_jpeg_uri(item.pixels) for item in items if isinstance(item, ClipFrame)]


def _jpeg_uri(pixels: Any) -> str:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * _FRAME_HEIGHT / height)), _FRAME_HEIGHT)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
