"""What the written model says: of what was measured on a GPU, and of servers that nobody measured.

python -m tools.pacing
"""

from __future__ import annotations

from typing import Annotated

import typer

from tools.pacing.feeding import feeding_s
from tools.pacing.prediction import (
    ONNXRUNTIME_FAST,
    ONNXRUNTIME_FULL,
    SERVERS,
    TENSORRT,
    checked_rows,
)
from tools.program import run

_ENGINES = {
    "ONNX Runtime, fast": ONNXRUNTIME_FAST,
    "ONNX Runtime, full tuning": ONNXRUNTIME_FULL,
    "TensorRT": TENSORRT,
}
# Enough for a steady mean within a few seconds.
_CLIPS = 200


def pacing(
    feed_ms: Annotated[
        float | None, typer.Option(help="Of the process that fills batches, a clip; measured here if not given.")
    ] = None,
) -> None:
    """Print the model's predictions as tables in Markdown."""
    feed_s = feeding_s(_CLIPS) if feed_ms is None else feed_ms / 1000
    print("\n".join((*measured_lines(), "", *server_lines(feed_s))))


def measured_lines() -> list[str]:
    """Return the table of what was measured, what the model says of it, and by how much it is off."""
    lines = ["| | measured | predicted | off by |", "|---|---:|---:|---:|"]
    for row in checked_rows():
        lines.append(
            f"| {row.what} | {row.measured:.0f} {row.unit} | {row.predicted:.0f} {row.unit} | {row.error:+.0%} |"
        )
    return lines


def server_lines(feed_s: float) -> list[str]:
    """Return the table of servers and engines.  feed_s: of the process that fills the batches, for a clip."""
    lines = [
        f"| 25 frames, ten-crop; {1000 * feed_s:.1f} ms of feeding a clip "
        "| decoders | devices | feeding | clips/s | set by |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for server in SERVERS:
        for name, views_per_s in _ENGINES.items():
            pipeline = server.pipeline(views_per_s, feed_s=feed_s)
            rates = " | ".join(f"{rate:.0f}" for rate in pipeline.rates().values())
            lines.append(f"| {server}, {name} | {rates} | {pipeline.clips_per_s():.0f} | {pipeline.slowest()} |")
    return lines


if __name__ == "__main__":
    run(pacing)
