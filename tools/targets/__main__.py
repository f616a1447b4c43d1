"""Measure the targets, and write the report; see the package's own words for the call."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pptsn.benchmarks.measure.long_clip import long_clip
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs, publish
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.base.progress import notes
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.model.onnx_file import read_spec
from tools.gains.ladder import measure_gains
from tools.targets.decoding import measure_long
from tools.targets.folders import measure_folder, readable_clips
from tools.targets.gaining import targets_of
from tools.targets.gpu import measure_gpu_clip, measure_gpu_offline
from tools.targets.long_runs import measure_growth
from tools.targets.programs import measure_memory, measure_start
from tools.targets.streams import measure_latency, measure_many_streams, measure_one_stream, measure_segments
from tools.targets.tiny_model import write_tiny_model

_SEGMENTS, _VIEWS, _CLIPS = 25, "ten", 100
# More than 100 predictions a repeat, at five a second.
_LIVE_S = 25


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.targets", description=(__doc__ or "").strip())
    parser.add_argument("--model", type=Path, required=True, help="ResNet-50 in FP32, an .onnx file")
    parser.add_argument("--int8", type=Path, required=True, help="the same in INT8 for the CPU")
    parser.add_argument("--small", type=Path, required=True, help="a small model, for the start of the program")
    parser.add_argument("--clip", type=Path, required=True, help="a short clip")
    parser.add_argument("--long-clip", type=Path, default=Path("output/bench/1080p.mp4"), help="made if missing")
    parser.add_argument("--folder", required=True, help=f"a folder with {_CLIPS} clips or more")
    parser.add_argument("--fp16", type=Path, help="the model in FP16, for the part gpu")
    parser.add_argument("--frames", type=int, default=200_000, help="of the long stream")
    parser.add_argument("--parts", nargs="+", choices=list(_MEASURES), default=_DEFAULT)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", action="append", default=[], help="NAME.json, .md or .html; repeatable")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    """Yield the results of the parts that were asked for, as they come; a part that fails gives its error."""
    for name in options.parts:
        try:
            yield from _MEASURES[name](options, method)
        except (PptsnError, subprocess.SubprocessError) as error:
            yield Result(section="targets", settings={"target": name}, error=str(error))


def _gains(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    gains = measure_gains(
        options.model, options.int8, options.clip, segments=_SEGMENTS, views=_VIEWS, method=method
    )
    yield from gains
    yield from targets_of(gains)


def _long(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    spec = read_spec(options.model)
    yield measure_long(long_clip(options.long_clip), spec, method, segments=_SEGMENTS)


def _start(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    yield measure_start(options.small, options.clip, method, segments=_SEGMENTS, views=_VIEWS)


def _memory(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    yield measure_memory([options.clip], "one clip", options.int8, method, segments=_SEGMENTS, views=_VIEWS)


def _folder(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    with open_engine(options.int8, device="cpu") as engine:
        found = [Path(name) for name in expand_sources([options.folder]) if isinstance(name, str)]
        clips = readable_clips(found, engine)[:_CLIPS]
        yield measure_folder(engine, clips, method, model=options.int8.name, segments=_SEGMENTS, views=_VIEWS)
    once = Method(repeats=1, watch=method.watch)
    name = f"{len(clips)} clips"
    yield measure_memory(clips, name, options.int8, once, segments=_SEGMENTS, views=_VIEWS)


def _growth(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    with _tiny_engine() as engine:
        yield measure_growth(engine, model="tiny", early=options.frames // 100, late=options.frames)


def _gpu(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    if options.fp16 is None:
        raise UsageError("--fp16", "is missing, and the part gpu runs it", "name the model in FP16")
    yield measure_gpu_clip(options.fp16, options.clip, method, device="cuda", segments=_SEGMENTS, views=_VIEWS)
    yield measure_gpu_offline(options.fp16, method, device="cuda")


def _streams(options: argparse.Namespace, method: Method) -> Iterator[Result]:
    name, folder = options.model.name, options.long_clip.parent
    long, short, shorter = (_clip(folder, seconds) for seconds in (60, 12, 6))
    few = replace(method, least_iterations=method.repeats)  # each takes a minute or so
    with open_engine(options.model, device="cpu") as engine:
        yield measure_one_stream(engine, long, few, model=name)
        yield measure_many_streams(engine, short, few, model=name, views="center")
        yield measure_many_streams(engine, shorter, few, model=name, views="ten")
        yield measure_segments(engine, long, few, model=name)
    with _tiny_engine() as engine:
        yield measure_latency(engine, method, model="tiny", seconds=_LIVE_S)


def _clip(folder: Path, seconds: int) -> Path:
    return long_clip(folder / f"640x360-{seconds}s.mp4", size=(640, 360), seconds=seconds)


@contextmanager
def _tiny_engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(Path(folder) / "tiny.onnx")
        with open_engine(model, device="cpu") as engine:
            yield engine


_MEASURES: dict[str, Callable[[argparse.Namespace, Method], Iterator[Result]]] = {
    "gains": _gains,
    "long": _long,
    "start": _start,
    "memory": _memory,
    "folder": _folder,
    "streams": _streams,
    "growth": _growth,
    "gpu": _gpu,
}
# What needs no GPU.
_DEFAULT = [name for name in _MEASURES if name != "gpu"]


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
        sys.exit(1 if any(result.error for result in results) else 0)
    except PptsnError as error:
        print(f"targets: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
