"""Classifying the same clips again and again while the stages are listened to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.results import Result, Setting
from pptsn.benchmarks.stages.report import Recorder, Run, result_of
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.stages import EMIT, listening, stage
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.classify.sinks.lines import JsonLines
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.recognizer import Recognizer

_TOP = 5


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured.

    engine: open, and the caller's to close.  model: the name of its file.  sources: what to classify;
    clips: what to call them.  around: is entered around each run, to switch something on for this subject alone.
    """

    engine: Engine
    model: str
    sources: Sequence[Source]
    clips: str
    around: Callable[[], AbstractContextManager[object]] = nullcontext


def measure_stages(
    subject: Subject,
    *,
    method: Method,
    segments: int = PUBLISHED.segments,
    views: str = PUBLISHED.views,
) -> Result:
    """Return where the time goes when `subject` is classified; see `measure_stages_in_turn`."""
    return measure_stages_in_turn({"": subject}, method=method, segments=segments, views=views)[""]


def measure_stages_in_turn(
    subjects: Mapping[str, Subject],
    *,
    method: Method,
    segments: int = PUBLISHED.segments,
    views: str = PUBLISHED.views,
) -> dict[str, Result]:
    """Return where the time of each of `subjects` goes, by their names, measured in turn on this machine.

    A run classifies all sources once, as `pptsn classify` does, and writes each answer as a line of JSON to a
    temporary file.  A source that fails is left out of the runs after it, and listed in the fact `failed`.
    Raises InputError where none is left, and UsageError for `views` and `segments`.
    """
    runners = {name: _Runner(subject, segments, views) for name, subject in subjects.items()}
    measured = measure_in_turn(runners, method)
    return {name: runner.result(measured[name]) for name, runner in runners.items()}


def _by_repeat(runs: Sequence[Run], times_ms: Sequence[Sequence[float]]) -> list[list[Run]]:
    """Return the last of `runs`, as many as there are times, grouped as those are: before them it warmed up."""
    following = iter(runs[len(runs) - sum(map(len, times_ms)) :])
    return [[next(following) for _ in repeat] for repeat in times_ms]


class _Runner:
    """Classifies the sources of one subject, once a call."""

    def __init__(self, subject: Subject, segments: int, views: str) -> None:
        self._subject, self._segments, self._views = subject, segments, views
        self._sources = list(subject.sources)
        self.runs: list[Run] = []
        self.failures: list[Failure] = []

    def result(self, times_ms: Sequence[Sequence[float]]) -> Result:
        """Return what the runs come to that took `times_ms`."""
        engine = self._subject.engine
        settings: dict[str, Setting] = {
            "model": self._subject.model,
            "precision": engine.spec.precision,
            "backend": backend_name(engine),
            "views": self._views,
            "segments": self._segments,
            "clips": self._subject.clips,
        }
        return result_of(engine, settings, _by_repeat(self.runs, times_ms), self.failures)

    def __call__(self) -> None:
        recorder, decoded_s = Recorder(), [0.0]
        usable: list[Source] = []
        with (
            self._subject.around(),
            temporary_folder() as folder,
            JsonLines.open(f"{folder}/answers.jsonl", top=_TOP) as sink,
            listening(recorder),
        ):
            started_s = time.perf_counter()
            results = Recognizer(self._subject.engine).classify_many(
                self._noting_their_end(decoded_s), segments=self._segments, views=self._views, decoders=0
            )
            for source, result in zip(self._sources, results, strict=True):
                with stage(EMIT):
                    sink.write(result)
                if isinstance(result, Failure):
                    self.failures.append(result)
                else:
                    usable.append(source)
            ended_s = time.perf_counter()
        if not usable:
            raise self._nothing_left()
        self._sources = usable
        self.runs.append(
            Run(
                taken_s=recorder.taken_s,
                clips=len(usable),
                wall_s=ended_s - started_s,
                done_decoding_s=ended_s - decoded_s[0],
            )
        )

    def _noting_their_end(self, ended_s: list[float]) -> Iterator[Source]:
        """Yield the sources, and write down when the decoding thread asked for another after the last."""
        yield from self._sources
        ended_s[0] = time.perf_counter()

    def _nothing_left(self) -> InputError:
        if not self.failures:
            return InputError("SOURCE", "no source to classify", "name videos or folders of frames")
        first = self.failures[0].error
        if len(self.failures) == 1:
            return InputError(first.thing, first.cause, first.remedy)
        return InputError("SOURCE", f"none of {len(self.failures)} sources can be classified (the first: {first})")
