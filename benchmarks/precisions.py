"""Crops a second of several models, each at its best batch, side by side.

    python -m benchmarks.precisions model.onnx model.int8-cpu.onnx

Prints a table, and one JSON object as its last line.  The first model is the base of the ratios, which are of runs
in turn on this machine, so they say more than the figures do.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.timing import interleaved
from runtime.engines import Engine, open_engine
from runtime.errors import PptsnError, UsageError
from runtime.pictures import drawn_crops

# Crops in one measurement, whatever the batch; a multiple of all batches.
_CROPS = 50
BATCHES = (1, 5, 10, 25, 50)

_Cell = tuple[str, int]


def measure(engines: dict[str, Engine], batches: Sequence[int], repeats: int) -> dict[_Cell, list[float]]:
    """Return the milliseconds of each repeat, over _CROPS crops, of each model at each batch."""
    crops = {name: drawn_crops(_CROPS, engine.spec.crop_size) for name, engine in engines.items()}

    def run(name: str, batch: int) -> None:
        for start in range(0, _CROPS, batch):
            engines[name].infer(crops[name][start : start + batch])

    cells = [(name, batch) for batch in batches for name in engines]
    times = interleaved({str(cell): functools.partial(run, *cell) for cell in cells}, repeats=repeats)
    return {cell: times[str(cell)] for cell in cells}


def best_batches(times: dict[_Cell, list[float]]) -> dict[str, int]:
    """Return for each model the batch of the least median time."""
    medians = {cell: statistics.median(ms) for cell, ms in times.items()}
    names = dict.fromkeys(name for name, _ in times)
    return {name: min((cell for cell in medians if cell[0] == name), key=medians.__getitem__)[1] for name in names}


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")
    return int(text)


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", help="the base first")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--repeats", type=_count, default=5)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; an expected failure is one line on standard error and its exit code."""
    try:
        report(parse_options(arguments))
    except PptsnError as error:
        print(f"precisions: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def report(options: argparse.Namespace) -> None:
    """Measure and print; raises UsageError for a model that is named twice, and what `open_engine` raises."""
    for path in options.models:
        if options.models.count(path) > 1:
            raise UsageError(path, "is named twice, and each model is measured once", "name it once")
    with ExitStack() as stack:
        engines = {
            str(path): stack.enter_context(open_engine(path, device=options.device)) for path in options.models
        }
        times = measure(engines, BATCHES, options.repeats)
        descriptions = {name: f"{engine.spec.precision}, {engine.description}" for name, engine in engines.items()}
    base = str(options.models[0])
    best = best_batches(times)
    rows = []
    for name, batch in best.items():
        pairs = zip(times[base, best[base]], times[name, batch], strict=True)
        row = {
            "model": name,
            "engine": descriptions[name],
            "batch": batch,
            "crops_per_s": 1000 * _CROPS / statistics.median(times[name, batch]),
            "speedup": statistics.median(a / b for a, b in pairs),
        }
        rows.append(row)
        print(f"{name:<40} batch {batch:>3}  {row['crops_per_s']:8.1f} crops/s  {row['speedup']:5.2f} x")
    medians = [
        {"model": name, "batch": batch, "ms_per_crop": statistics.median(ms) / _CROPS}
        for (name, batch), ms in times.items()
    ]
    print(json.dumps({"best": rows, "all": medians}))


if __name__ == "__main__":
    main()
