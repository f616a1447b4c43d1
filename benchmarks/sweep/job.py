"""What goes into a cell's process and what comes out of it, as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from pptsn.benchmarks.sweep.clips import Clip


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure.

    model .. batch, threads: as in a Cell.  clips: all that the list names.  timed: the places of those that are
    timed.
    answer_all: whether to classify all clips too, for the accuracy.
    repeats, least_s, least_iterations: as in a Method, for the latency and for the throughput each.
    """

    model: str
    backend: str
    device: str
    views: str
    segments: int
    batch: int | None
    clips: tuple[Clip, ...]
    timed: tuple[int, ...]
    answer_all: bool
    repeats: int
    least_s: float
    least_iterations: int
    threads: int | None = None

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        clips = tuple(Clip(**clip) for clip in values.pop("clips"))
        return cls(clips=clips, timed=tuple(values.pop("timed")), **values)


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
    answers: by place in the list, the five leading classes, best first; empty where the logits are no numbers; a
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

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Findings:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        answers = values.pop("answers")
        return cls(
            folder_runs=[FolderRun(**run) for run in values.pop("folder_runs")],
            # JSON's keys are texts.
            answers=None if answers is None else {int(place): top for place, top in answers.items()},
            **values,
        )
