"""The combinations that a sweep measures, what goes into a cell's process and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from pptsn.benchmarks.sweep.clips import Clip
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.registry import AUTO, backend_runs, parse_backend
from pptsn.runtime.frames.sampling import check_segments
from pptsn.runtime.frames.views import VIEW_PLANS, view_count

_PLAN_SUFFIX = ".engine"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination.

    batch: crops a call of the engine, or None for the engine's own choice.  threads: on a CPU, None for all cores.
    """

    model: Path
    backend: str = "auto"
    device: str = "auto"
    views: str = "ten"
    segments: int = 25
    batch: int | None = None
    threads: int | None = None

    @property
    def opening(self) -> tuple[Path, str, str]:
        """What decides which engine runs it: model, backend and device."""
        return self.model, self.backend, self.device

    @property
    def question(self) -> tuple[Path, str, str, str, int]:
        """All that the answers depend on: the batch is not among it."""
        return (*self.opening, self.views, self.segments)

    @property
    def crops(self) -> int:
        """How many crops of a clip the engine gets at most, with the mirror in its graph."""
        return self.segments * view_count(self.views, mirror_in_graph=True)

    def __str__(self) -> str:
        batch = "auto" if self.batch is None else self.batch
        frames = f"{self.segments} segment{'s' if self.segments > 1 else ''}"
        return f"{self.model.name} by {self.backend}, {self.views} views of {frames}, batch {batch}"


def cells_of(
    models: Sequence[str | Path],
    backends: Iterable[str] = ("auto",),
    views: Iterable[str] = ("ten",),
    segments: Iterable[int] = (25,),
    batches: Iterable[int | None] = (None,),
    *,
    device: str = "auto",
    threads: int | None = None,
) -> list[Cell]:
    """Return every combination, model by model, in the order of the arguments; repetitions count once.

    A backend that runs plans alone is left out for an .onnx file, and the other way round, where the model has
    another backend to run it.  `auto` for an .onnx file is `onnxruntime`, so the two are one; for a plan it is
    what built it, and leaves nothing for others to do.
    Raises UsageError for unknown names, numbers out of range and models whose file names are alike.
    """
    names, plans = list(dict.fromkeys(backends)), list(dict.fromkeys(views))
    counts, sizes = list(dict.fromkeys(segments)), list(dict.fromkeys(batches))
    _check(models, names, plans, counts, sizes, device)
    return [
        Cell(
            model=model,
            backend=backend,
            device=device,
            views=plan,
            segments=count,
            batch=size,
            threads=threads,
        )
        for model in map(Path, models)
        for backend, plan, count, size in product(_backends_for(model, names), plans, counts, sizes)
    ]


def _backends_for(model: Path, backends: Sequence[str]) -> list[str]:
    is_plan = model.suffix.lower() == _PLAN_SUFFIX
    named = [backend if is_plan or backend != AUTO else "onnxruntime" for backend in backends]
    if AUTO in named:  # of a plan: what built it is the only one that runs it
        return [AUTO]
    fitting = [backend for backend in named if backend_runs(backend, model)]
    return list(dict.fromkeys(fitting or named))  # with none that fits, the cells themselves say why


def _check(
    models: Sequence[str | Path],
    backends: Sequence[str],
    views: Sequence[str],
    segments: Sequence[int],
    batches: Sequence[int | None],
    device: str,
) -> None:
    if not (models and backends and views and segments and batches):
        raise UsageError("sweep", "no cell to measure", "name at least one of each kind")
    names = [Path(model).name for model in models]
    if repeated := [name for name in names if names.count(name) > 1]:
        # Reports know models by their names, so that runs on different machines can be compared.
        raise UsageError("--model", f"{repeated[0]} is named twice", "give the files names of their own")
    for backend in backends:
        parse_backend(backend)
    if unknown := [name for name in views if name not in VIEW_PLANS]:
        raise UsageError("--views", f"unknown name {unknown[0]!r}", f"choose among {', '.join(VIEW_PLANS)}")
    for count in segments:
        check_segments(count)
    for batch in batches:
        if batch is not None and batch < 1:
            raise UsageError("--batch", f"expected auto or at least 1, got {batch}")
    if device != "auto":
        Device.parse(device)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure.

    clips: all that the list names.  timed: the indices of those that are timed.
    answer_all: whether to classify all clips too, for the accuracy.
    repeats, repeat_s, repeat_iterations: as in a Method, for the latency and for the throughput each.
    """

    cell: Cell
    clips: tuple[Clip, ...]
    timed: tuple[int, ...]
    answer_all: bool
    repeats: int
    repeat_s: float
    repeat_iterations: int


@dataclass(frozen=True, kw_only=True)
class FolderRun:
    """One run over many clips: how many were answered, the crops and seconds it took, and joules if known.

    joules_by_source: by the sensor's name, also where others are missing and the sum is not known.
    """

    clips: int
    crops: int
    seconds: float
    joules: float | None
    joules_by_source: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a cell's process found.

    precision, classes: of the model.  description, backend, device, notes: of the engine.
    batch_size: crops a call.
    views_per_crop: 2 where the graph averages each crop with its mirror image, else 1.
    clips_timed: how many different clips were timed.
    latency_ms: of each clip, from file to answer, one list a repeat.  folder_runs: one a repeat.
    energy_notes: why joules are not known.
    answers: by index in the list, the five leading classes, best first; empty where the logits are no numbers; a
        clip that could not be read has none.  None where they were not asked for.
    unreadable: (path, why) of the clips that could not be read, of those that were looked at.
    """

    precision: str
    classes: int
    description: str
    backend: str
    device: str
    batch_size: int
    notes: list[str]
    views_per_crop: int
    clips_timed: int
    latency_ms: list[list[float]]
    folder_runs: list[FolderRun]
    energy_notes: list[str]
    peak_memory_mb: float
    answers: dict[int, list[int]] | None
    unreadable: dict[str, str]
