"""Measure the targets, and write the report; see the package's own words for the call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.gains import measure_gains
from benchmarks.long_clip import long_clip
from benchmarks.method import Method
from benchmarks.publishing import check_outputs, publish
from benchmarks.results import Result
from benchmarks.targets.decoding import measure_long
from benchmarks.targets.folders import measure_folder, readable_clips
from benchmarks.targets.gaining import targets_of
from benchmarks.targets.programs import measure_memory, measure_start
from runtime.engines import open_engine
from runtime.errors import PptsnError
from runtime.onnx_file import read_spec
from runtime.progress import notes
from runtime.sources import expand_sources

PARTS = ("gains", "long", "start", "memory", "folder")
_SEGMENTS, _VIEWS, _CLIPS = 25, "ten", 100


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets", description=(__doc__ or "").strip())
    parser.add_argument("--model", type=Path, required=True, help="ResNet-50 in FP32, an .onnx file")
    parser.add_argument("--int8", type=Path, required=True, help="the same in INT8 for the CPU")
    parser.add_argument("--small", type=Path, required=True, help="a small model, for the start of the program")
    parser.add_argument("--clip", type=Path, required=True, help="a short clip")
    parser.add_argument("--long-clip", type=Path, default=Path("output/bench/1080p.mp4"), help="made if missing")
    parser.add_argument("--folder", required=True, help=f"a folder with {_CLIPS} clips or more")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", action="append", default=[], help="NAME.json, .md or .html; repeatable")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    """Yield the results of the parts that were asked for, as they come."""
    if "gains" in options.parts:
        gains = measure_gains(
            options.model, options.int8, options.clip, method=method, segments=_SEGMENTS, views=_VIEWS
        )
        yield from gains
        yield from targets_of(gains)
    if "long" in options.parts:
        clip = long_clip(options.long_clip)
        yield measure_long(clip, read_spec(options.model), method, segments=_SEGMENTS)
    if "start" in options.parts:
        yield measure_start(options.small, options.clip, method, segments=_SEGMENTS, views=_VIEWS)
    if "memory" in options.parts:
        yield measure_memory([options.clip], "one clip", options.int8, method, segments=_SEGMENTS, views=_VIEWS)
    if "folder" in options.parts:
        with open_engine(options.int8, device="cpu") as engine:
            found = [Path(name) for name in expand_sources([options.folder]) if isinstance(name, str)]
            clips = readable_clips(found, engine)[:_CLIPS]
            yield measure_folder(engine, clips, method, model=options.int8.name, segments=_SEGMENTS, views=_VIEWS)
        once = Method(repeats=1, watch=method.watch)
        yield measure_memory(clips, f"{len(clips)} clips", options.int8, once, segments=_SEGMENTS, views=_VIEWS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and publish; an expected failure is one line on standard error and its exit code."""
    options = parse_options(arguments)
    try:
        check_outputs(options.output)
        method, results = Method(repeats=options.repeats), []
        for result in measure(options, method):
            results.append(result)
            notes().print(result.sentence or result.error, markup=False)
        publish(results, outputs=options.output, method=method)
    except PptsnError as error:
        print(f"targets: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
