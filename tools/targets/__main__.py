"""Measure the targets, and write the report; see the package's own words for the call."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from pptsn.benchmarks.measure.long_clip import long_clip
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import OutputOption, RepeatsOption
from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.model.file import ModelFile
from tools.gains.ladder import measure_gains
from tools.program import publish_as_they_come, run, tell
from tools.targets.decoding import measure_long
from tools.targets.folders import measure_folder, readable_clips
from tools.targets.gaining import targets_of
from tools.targets.given import measure_array
from tools.targets.gpu import measure_gpu_clip, measure_gpu_offline
from tools.targets.long_runs import measure_growth
from tools.targets.pooling import measure_pool
from tools.targets.programs import measure_memory, measure_start
from tools.targets.streams import measure_latency, measure_many_streams, measure_one_stream, measure_segments
from tools.targets.tiny_model import write_tiny_model

_SEGMENTS, _VIEWS, _CLIPS = 25, "ten", 100
_DECODERS = (0, 1, 2)
# More than 100 predictions a repeat, at five a second.
_LIVE_S = 25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the targets are measured on; see the options of the command."""

    model: Path
    int8: Path
    small: Path
    clip: Path
    long_clip: Path
    folder: str
    fp16: Path | None
    frames: int


def measure(parts: Sequence[str], options: Options, method: Method) -> Iterator[Result]:
    """Yield the results of `parts` as they come; a part that fails gives its error."""
    for name in parts:
        try:
            for result in _MEASURES[name](options, method):
                tell(result.sentence or result.error)
                yield result
        except (PptsnError, subprocess.SubprocessError) as error:
            tell(str(error))
            yield Result(section="targets", settings={"target": name}, error=str(error))


def _gains(options: Options, method: Method) -> Iterator[Result]:
    gains = []
    for result in measure_gains(
        options.model, options.int8, options.clip, segments=_SEGMENTS, views=_VIEWS, method=method
    ):
        gains.append(result)
        yield result
    yield from targets_of(gains)


def _long(options: Options, method: Method) -> Iterator[Result]:
    spec = ModelFile.open(options.model).spec
    yield measure_long(long_clip(options.long_clip), spec, method, segments=_SEGMENTS)


def _start(options: Options, method: Method) -> Iterator[Result]:
    yield measure_start(options.small, options.clip, method, segments=_SEGMENTS, views=_VIEWS)


def _memory(options: Options, method: Method) -> Iterator[Result]:
    yield measure_memory([options.clip], "one clip", options.int8, method, segments=_SEGMENTS, views=_VIEWS)


def _folder(options: Options, method: Method) -> Iterator[Result]:
    work = PUBLISHED.but(segments=_SEGMENTS, views=_VIEWS).crops(_CLIPS)
    with open_engine(options.int8, device="cpu", crops=work) as engine:
        found = [Path(name) for name in expand_sources([options.folder]) if isinstance(name, str)]
        clips = readable_clips(found, engine)[:_CLIPS]
        yield measure_folder(engine, clips, method, model=options.int8.name, segments=_SEGMENTS, views=_VIEWS)
    once = Method(repeats=1, watch=method.watch)
    name = f"{len(clips)} clips"
    for decoders in _DECODERS:
        yield measure_memory(clips, name, options.int8, once, segments=_SEGMENTS, views=_VIEWS, decoders=decoders)


def _pool(options: Options, method: Method) -> Iterator[Result]:
    spec = ModelFile.open(options.model).spec
    for decoders in (1, 2):
        yield measure_pool(
            spec, options.clip, method, decoders=decoders, clips=_CLIPS, segments=_SEGMENTS, views=_VIEWS
        )


def _arrays(options: Options, method: Method) -> Iterator[Result]:
    clip = _clip(options.long_clip.parent, 12)
    few = replace(method, least_iterations=method.repeats)  # with ten-crop each takes many seconds
    with open_engine(options.model, device="cpu") as engine:
        yield measure_array(engine, clip, method, model=options.model.name, segments=8, views="center")
        yield measure_array(engine, clip, few, model=options.model.name, segments=_SEGMENTS, views=_VIEWS)


def _growth(options: Options, method: Method) -> Iterator[Result]:
    with _tiny_engine() as engine:
        yield measure_growth(engine, model="tiny", early=options.frames // 100, late=options.frames)


def _gpu(options: Options, method: Method) -> Iterator[Result]:
    if options.fp16 is None:
        raise UsageError("--fp16", "is missing, and the part gpu runs it", "name the model in FP16")
    yield measure_gpu_clip(options.fp16, options.clip, method, device="cuda", segments=_SEGMENTS, views=_VIEWS)
    yield measure_gpu_offline(options.fp16, method, device="cuda")


def _streams(options: Options, method: Method) -> Iterator[Result]:
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


_MEASURES: dict[str, Callable[[Options, Method], Iterator[Result]]] = {
    "gains": _gains,
    "long": _long,
    "start": _start,
    "memory": _memory,
    "folder": _folder,
    "pool": _pool,
    "arrays": _arrays,
    "streams": _streams,
    "growth": _growth,
    "gpu": _gpu,
}
# What needs no GPU.
_DEFAULT = [name for name in _MEASURES if name != "gpu"]


def targets(
    model: Annotated[Path, typer.Option(help="ResNet-50 in FP32, an .onnx file.")],
    int8: Annotated[Path, typer.Option(help="The same in INT8 for the CPU.")],
    small: Annotated[Path, typer.Option(help="A small model, for the start of the program.")],
    clip: Annotated[Path, typer.Option(help="A short clip.")],
    folder: Annotated[str, typer.Option(help=f"A folder with {_CLIPS} clips or more.")],
    long_clip: Annotated[Path, typer.Option(help="Made if missing.")] = Path("output/bench/1080p.mp4"),
    fp16: Annotated[Path | None, typer.Option(help="The model in FP16, for the part gpu.")] = None,
    frames: Annotated[int, typer.Option(help="Frames of the long stream.")] = 200_000,
    parts: Annotated[str, typer.Option(help=f"Divided by commas: {', '.join(_MEASURES)}.")] = ",".join(_DEFAULT),
    repeats: RepeatsOption = 5,
    output: OutputOption = None,
) -> None:
    """Measure what this toolkit promises, beside the plain way and the field."""
    check_outputs(output, inputs=[model, int8, small, clip, fp16])
    names = [name.strip() for name in parts.split(",")]
    for name in names:
        if name not in _MEASURES:
            raise UsageError("--parts", f"there is no part {name!r}", f"choose of {', '.join(_MEASURES)}")
    method = Method(repeats=repeats)
    options = Options(
        model=model,
        int8=int8,
        small=small,
        clip=clip,
        long_clip=long_clip,
        folder=folder,
        fp16=fp16,
        frames=frames,
    )
    publish_as_they_come(measure(names, options, method), outputs=output, method=method)


if __name__ == "__main__":
    run(targets)
