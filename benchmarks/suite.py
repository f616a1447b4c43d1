"""All benchmarks one after another, small enough to end in minutes: `pptsn bench run`, and `make bench`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pptsn.benchmarks.live.measure import measure_live
from pptsn.benchmarks.live.source import live_source
from pptsn.benchmarks.live.trial import LiveLoad, longest_s
from pptsn.benchmarks.measure.engines import engine_faults
from pptsn.benchmarks.measure.long_clip import short_clip
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import gathered
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.scenarios.definitions import MULTI_STREAM, OFFLINE, OWN, SERVER, SINGLE_STREAM
from pptsn.benchmarks.scenarios.measuring import Case, run_scenarios
from pptsn.benchmarks.scenarios.system import drawn_samples
from pptsn.benchmarks.stages.measuring import Subject as StagesSubject
from pptsn.benchmarks.stages.measuring import measure_stages
from pptsn.benchmarks.sweep.cells import Cell, cells_of
from pptsn.benchmarks.sweep.clips import Clip, read_clips
from pptsn.benchmarks.sweep.outcomes import results_of
from pptsn.benchmarks.sweep.run import run_cells
from pptsn.runtime.base.errors import ModelError, PptsnError, UsageError
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.frames.protocols import StreamProtocol
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.stream.pipeline.settings import StreamSettings

_SWEPT_VIEWS, _SWEPT_SEGMENTS, _SWEPT_CLIPS = ("ten", "center"), (1, 2, 4), 100


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Models, clips, and where they run.

    model: the one to deploy.  int8: the same in INT8, or None; where there is one, it is what scenarios, live
    streams and stages run.
    swept: the models of the sweep.  clips: its list, or None for no sweep.  folder: where missing clips are made.
    runner: what runs the models.
    """

    model: Path
    int8: Path | None
    swept: tuple[Path, ...]
    clips: str | None
    folder: Path
    latency_bound_ms: float = 100.0
    runner: EngineSettings = field(default_factory=EngineSettings)

    @property
    def deployed(self) -> Path:
        """The fastest form of the model."""
        return self.int8 or self.model

    def open(self, model: Path) -> Engine:
        """Return `model` as an open engine."""
        return self.runner.open(model)

    def clip(self) -> Path:
        """Return the path of a short clip, which is made if it is missing."""
        return short_clip(self.folder)

    def cells(self) -> list[Cell]:
        """Return the cells of the sweep; raises UsageError for models that cannot be told apart."""
        return cells_of(
            self.swept,
            [self.runner.backend],
            _SWEPT_VIEWS,
            _SWEPT_SEGMENTS,
            device=self.runner.device,
            threads=self.runner.threads,
        )

    def swept_clips(self) -> tuple[Clip, ...]:
        """Return the clips of the sweep; raises InputError for a list that cannot be used."""
        return read_clips(self.clips or "", limit=_SWEPT_CLIPS)

    def check(self) -> None:
        """Raise what would make a part fail that is long in coming: missing files, wrong names and numbers."""
        for model in dict.fromkeys((self.model, *([self.int8] if self.int8 else []), *self.swept)):
            if model.suffix.lower() == ".onnx":
                ModelFile.open(model)
            elif not model.is_file():
                raise ModelError(model, "there is no such file", "check the path")
        if self.runner.device != "auto":
            Device.parse(self.runner.device)
        if self.clips is not None:
            self.cells()
            self.swept_clips()


# One crop a frame for scenarios and live streams, as `pptsn stream` takes; ten for clips, as published.
_STREAM_VIEWS, _CLIP_VIEWS = "center", "ten"
# Of clips fewer frames than the published 25: on two cores such a clip takes some seconds, and each figure ten.
_CLIP_SEGMENTS = 2
_TRIAL_S, _MOST_STREAMS = 4.0, 64

Tell = Callable[[str], None]
Measure = Callable[[Subject, Method, Tell], Iterator[Result]]


def scenarios(subject: Subject, method: Method, tell: Tell) -> Iterator[Result]:
    """Measure MLPerf's scenarios on the fastest model, and the base model's speed beside it."""
    name = subject.deployed.name
    with subject.open(subject.deployed) as engine:
        library = drawn_samples(engine.spec, _STREAM_VIEWS)
        case = Case(engine=engine, library=library, method=method, model=name, bound_ms=subject.latency_bound_ms)
        yield from run_scenarios(case, [SINGLE_STREAM, OFFLINE, MULTI_STREAM, SERVER], driver=OWN, progress=tell)
    if subject.deployed != subject.model:
        with subject.open(subject.model) as engine:
            library = drawn_samples(engine.spec, _STREAM_VIEWS)
            case = Case(engine=engine, library=library, method=method, model=subject.model.name)
            yield from run_scenarios(case, [SINGLE_STREAM, OFFLINE], driver=OWN, progress=tell)


def live(subject: Subject, method: Method, tell: Tell) -> Iterator[Result]:
    """Find the most live streams that the fastest model serves in time."""
    settings = StreamSettings(**asdict(StreamProtocol()))  # not the model's: figures are compared
    bound_ms = subject.latency_bound_ms
    least_s = longest_s(settings, seconds=_TRIAL_S, bound_ms=bound_ms, most=_MOST_STREAMS)
    with (
        live_source(None, clips=subject.folder, least_s=least_s) as source,
        subject.open(subject.deployed) as engine,
    ):
        load = LiveLoad(source=source, settings=settings, bound_ms=bound_ms, seconds=_TRIAL_S)
        yield measure_live(
            engine,
            subject.deployed,
            load,
            most=_MOST_STREAMS,
            method=method,
            tell=lambda trial: tell(str(trial)),
        )


def stages(subject: Subject, method: Method, tell: Tell) -> Iterator[Result]:
    """Measure where the time of classifying a clip goes."""
    clip = subject.clip()
    with subject.open(subject.deployed) as engine:
        classified = StagesSubject(engine=engine, model=subject.deployed.name, sources=[clip], clips=clip.name)
        yield measure_stages(classified, method=method, segments=_CLIP_SEGMENTS, views=_CLIP_VIEWS)


def sweeping(subject: Subject, method: Method, tell: Tell) -> Iterator[Result]:
    """Measure accuracy, speed and memory of the combinations of models, views and segments."""
    clips = subject.swept_clips()
    cells = run_cells(subject.cells(), clips, method=method, before=lambda number, cell: tell(str(cell)))
    outcomes, ending = gathered(cells)
    yield from results_of(outcomes, clips)  # those of the cells that are done are told first
    if ending is not None:
        raise ending


PARTS: Mapping[str, Measure] = {"scenarios": scenarios, "live": live, "stages": stages, "sweep": sweeping}
# The section of a result that says why a part has none.
_SECTIONS = {"scenarios": "scenario", "live": "live", "stages": "stages", "sweep": "sweep"}


def parts_to_run(only: str | None, subject: Subject) -> tuple[list[str], list[str]]:
    """Return the names of the parts to run, in the order of the suite, and why others are left out.

    only: names divided by commas, or None for all that `subject` has what it takes for.
    Raises UsageError for a part that there is not, and for one that is named and cannot run.
    """
    named = [name.strip() for name in only.split(",")] if only is not None else list(PARTS)
    for name in named:
        if name not in PARTS:
            raise UsageError("--only", f"there is no part {name!r}", f"choose of {', '.join(PARTS)}")
    lacking = {"sweep": "takes clips: name them by --list"} if subject.clips is None else {}
    left_out = [name for name in PARTS if name in named and lacking.get(name)]
    if only is not None and left_out:
        raise UsageError("--only", f"{left_out[0]} {lacking[left_out[0]]}")
    return [name for name in PARTS if name in named and name not in left_out], [
        f"{name} is left out: it {lacking[name]}" for name in left_out
    ]


def run_parts(
    names: Iterable[str], subject: Subject, method: Method, *, tell: Callable[[str], None] = lambda line: None
) -> Iterator[Result]:
    """Yield the results of the parts `names`, as they come.

    A part that fails gives a result with its error, and the others go on.  tell: takes a line before each part and
    after it, and others in between.
    """
    for name in names:
        tell(f"{name} ...")
        started_s = time.perf_counter()
        try:
            with engine_faults(subject.deployed):
                yield from PARTS[name](subject, method, tell)
        except PptsnError as error:
            yield Result(section=_SECTIONS[name], settings={"part": name}, error=str(error))
        tell(f"{name} took {time.perf_counter() - started_s:.0f} s")
