"""What goes into a cell's process and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pptsn.benchmarks.sweep.cells import Cell
from pptsn.benchmarks.sweep.clips import Clip


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure.

    clips: all that the list names.  timed: the indices of those that are timed.
    answer_all: whether to classify all clips too, for the accuracy.
    repeats, least_s, least_iterations: as in a Method, for the latency and for the throughput each.
    """

    cell: Cell
    clips: tuple[Clip, ...]
    timed: tuple[int, ...]
    answer_all: bool
    repeats: int
    least_s: float
    least_iterations: int


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
