"""One run of `pptsn tune`: the engine first, then the decoders beside the fastest one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.base.processor_time import ProcessorWatch
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.engines.registry import AUTO, open_engine
from pptsn.runtime.engines.tuned import DecodersFound, Measured, Setting, Tuning, surroundings
from pptsn.runtime.frames.protocols import PUBLISHED, Protocol
from pptsn.runtime.model.file import claims_of
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.tune.decoding import (
    DecoderSearch,
    Throughput,
    fewest_of_the_fastest,
    seconds_for_folder,
    write_clip,
)
from pptsn.runtime.tune.measuring import CROPS_OF_A_LONG_RUN
from pptsn.runtime.tune.search import Search
from pptsn.runtime.video import open_video

# What is left of the time is for decoders.
_ENGINE_SHARE = 0.7


@dataclass(frozen=True, kw_only=True)
class TuneRun:
    """What to tune.

    path: of an .onnx file.  seconds: about how long to measure.  device: as `open_engine` takes it.
    clip: to try decoders with; None for one that is drawn.  looked_at: how it is looked at.
    unusable: is called with the name and error of a backend that cannot be used.
    """

    path: Path
    seconds: float
    device: str = AUTO
    clip: Path | None = None
    looked_at: Protocol = PUBLISHED
    unusable: Callable[[str, PptsnError], object] = lambda *_: None


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What came out.

    tuning: what is to be kept.  tried: every setting of an engine, as it was tried.
    decoders: how many are best beside the fastest; throughputs: of each number that was tried.
    warnings: a sentence for each thing that makes them doubtful.
    """

    tuning: Tuning
    tried: tuple[Measured, ...]
    decoders: int
    throughputs: tuple[Throughput, ...]
    warnings: tuple[str, ...]


def tune(run: TuneRun) -> Tuned:
    """Measure, and return what was found.

    Raises the first backend's error where none can be used, InputError for a clip that cannot be read.
    """
    if run.clip is not None:
        with open_video(run.clip) as video:  # before minutes are spent
            video.frame_count()
    watch = ProcessorWatch()
    tried: list[Measured] = []
    found = Search(
        path=run.path,
        seconds=_ENGINE_SHARE * run.seconds,
        device=run.device,
        tried=tried.append,
        unusable=run.unusable,
    ).fastest()
    throughputs = _throughputs(run, found[0])
    decoders = fewest_of_the_fastest(throughputs).decoders
    tuning = Tuning(
        model=claims_of(run.path).digest,
        machine=surroundings(),
        measured=found,
        made=date.today().isoformat(),
        decoding=DecodersFound(decoders=decoders, crops_a_clip=run.looked_at.crops(1)),
    )
    return Tuned(
        tuning=tuning,
        tried=tuple(tried),
        decoders=decoders,
        throughputs=tuple(throughputs),
        warnings=tuple(watch.warnings()),
    )


def _throughputs(run: TuneRun, fastest: Measured) -> list[Throughput]:
    """Try numbers of decoders beside the fastest engine."""
    with folder_timer(run, fastest.setting) as seconds_for:
        return DecoderSearch(
            folder=seconds_for,
            engine_clips_per_s=fastest.crops_per_s / run.looked_at.crops(1),
            seconds=(1 - _ENGINE_SHARE) * run.seconds,
        ).tried()


@contextmanager
def folder_timer(run: TuneRun, setting: Setting) -> Iterator[Callable[[int, int], float]]:
    """Yield what has so many clips classified with so many decoders, and returns how many seconds that took."""
    engine = open_engine(
        run.path,
        backend=setting.backend,
        device=setting.device,
        threads=setting.threads,
        crops=CROPS_OF_A_LONG_RUN,
    )
    with (
        Recognizer(engine, batch_size=setting.batch_size) as recognizer,
        temporary_folder() as folder,
    ):
        clip = run.clip or write_clip(folder / "clip.mp4")

        def seconds_for(clips: int, decoders: int) -> float:
            return seconds_for_folder(recognizer, clip, run.looked_at, decoders=decoders, clips=clips)

        seconds_for(1, 0)  # whatever the engine prepares for these batches
        yield seconds_for
