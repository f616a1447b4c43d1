"""What one cell's process measures."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pptsn.benchmarks.sweep.cells import Findings, FolderRun, Job
from pptsn.benchmarks.sweep.clips import Clip
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.evaluate.accuracy import leading
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.frames.sampling import sampling_rule
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.recognizer import Recognizer


def find(job: Job) -> Findings:
    """Measure what `job` asks for, in this process.

    The order matters: memory is read after the timed runs and before the answers, so that it is of the same clips
    in all cells, whether or not a cell is to answer the whole list.
    Raises the errors of `open_engine`, UsageError for a batch that the engine does not take, and InputError where
    none of the timed clips can be read.
    """
    cell = job.cell
    with open_engine(
        cell.model, backend=cell.backend, device=cell.device, threads=cell.threads, tuning="full"
    ) as engine:
        runner = _Runner(engine, job)
        runner.warm_up()
        latency_ms = [runner.latencies_ms() for _ in range(job.repeats)]
        folder_runs, energy_notes = runner.folder_runs()
        peak_mb = peak_memory_mb()
        answers = runner.answers() if job.answer_all else None
        return Findings(
            precision=engine.spec.precision,
            classes=engine.spec.classes,
            description=engine.description,
            backend=engine.identity.backend,
            device=engine.identity.device,
            batch_size=cell.batch or engine.batch_size,
            notes=list(engine.notes),
            views_per_crop=2 if engine.spec.mirror else 1,
            clips_timed=runner.clips_timed,
            latency_ms=latency_ms,
            folder_runs=folder_runs,
            energy_notes=energy_notes,
            peak_memory_mb=peak_mb,
            answers=answers,
            unreadable=runner.unreadable,
        )


class _Runner:
    """Classifies the clips of a job.  unreadable: the path of each clip that failed so far, and why."""

    def __init__(self, engine: Engine, job: Job) -> None:
        self._job, self._spec = job, engine.spec
        self._recognizer = Recognizer(engine, batch_size=job.cell.batch)
        self._device = engine.identity.device
        self._timed = [job.clips[index] for index in job.timed]
        self.unreadable: dict[str, str] = {}

    def warm_up(self) -> None:
        """Read each of the clips that are timed once, and drop those that cannot be; run one as it will be timed.

        One crop a frame: what is to become warm is the file, the decoder and the engine, whatever the views.
        """
        sources = [clip.source for clip in self._timed]
        results = self._recognizer.classify_many(sources, segments=self._job.cell.segments, views="center")
        readable = [self._answered(clip, result) for clip, result in zip(self._timed, results, strict=True)]
        self._timed = [clip for clip, result in zip(self._timed, readable, strict=True) if result]
        if not self._timed:
            path, reason = next(iter(self.unreadable.items()))
            cause = f"none of the {len(sources)} clips to time can be read; the first: {reason}"
            raise InputError(path, cause, "correct the list")
        self._classify(self._timed[0].source)

    def latencies_ms(self) -> list[float]:
        """Return the milliseconds from file to answer of each clip, one clip after another.

        All clips equally often, for at least a repeat's part of `least_s` and of `least_iterations`: a fast cell
        is to be measured on the same clips as a slow one.
        """
        times_ms: list[float] = []
        while sum(times_ms) < 1000 * self._job.repeat_s or len(times_ms) < self._job.repeat_iterations:
            before = len(times_ms)
            for clip in self._timed:
                started_s = time.perf_counter()
                result = self._classify(clip.source)
                taken_ms = 1000 * (time.perf_counter() - started_s)
                if self._answered(clip, result):
                    times_ms.append(taken_ms)
            if len(times_ms) == before:
                raise InputError(self._timed[0].path, "could be read before, and no longer can")
        return times_ms

    def folder_runs(self) -> tuple[list[FolderRun], list[str]]:
        """Return what runs over all timed clips took, one a repeat, and why joules are not known."""
        from pptsn.benchmarks.energy.watch import energy_watch

        runs, notes = [], dict[str, None]()
        with energy_watch() as watch:
            for _ in range(self._job.repeats):
                with watch.measure(self._device) as used:
                    answered, seconds = self._folder_run()
                notes.update(dict.fromkeys(used.notes))
                crops = sum(self._crops_of(clip, result) for clip, result in answered)
                runs.append(
                    FolderRun(
                        clips=len(answered),
                        crops=crops,
                        seconds=seconds,
                        joules=used.joules,
                        joules_by_source=used.by_source,
                    )
                )
        return runs, list(notes)

    def answers(self) -> dict[int, list[int]]:
        """Return the leading classes of each clip of the list that can be read; see Findings."""
        found: dict[int, list[int]] = {}
        results = self._many(clip.source for clip in self._job.clips)
        for index, (clip, result) in enumerate(zip(self._job.clips, results, strict=True)):
            if answered := self._answered(clip, result):
                found[index] = list(leading(answered.logits[None])[0])
        return found

    @property
    def clips_timed(self) -> int:
        """How many of the clips that are to be timed can be read, after `warm_up`."""
        return len(self._timed)

    def _folder_run(self) -> tuple[list[tuple[Clip, Classification]], float]:
        """Classify the timed clips as one folder, again and again until a repeat's time is over."""
        given: list[Clip] = []
        started_s = time.perf_counter()

        def sources() -> Iterator[Source]:
            while len(given) < self._job.repeat_iterations or time.perf_counter() - started_s < self._job.repeat_s:
                for clip in self._timed:
                    given.append(clip)
                    yield clip.source

        results = list(self._many(sources()))
        seconds = time.perf_counter() - started_s
        pairs = [(clip, self._answered(clip, result)) for clip, result in zip(given, results, strict=True)]
        answered = [(clip, result) for clip, result in pairs if result]
        if not answered:
            raise InputError(self._timed[0].path, "could be read before, and no longer can")
        return answered, seconds

    def _many(self, sources: Iterator[Source]) -> Iterator[Classification | Failure]:
        return self._recognizer.classify_many(
            sources, segments=self._job.cell.segments, views=self._job.cell.views
        )

    def _classify(self, source: Source) -> Classification | Failure:
        (result,) = self._many(iter([source]))
        return result

    def _answered(self, clip: Clip, result: Classification | Failure) -> Classification | None:
        """Return `result` if it is an answer, else None, and keep why."""
        if isinstance(result, Failure):
            self.unreadable[clip.path] = printable(f"{result.error.cause}")
            return None
        return result

    def _crops_of(self, clip: Clip, result: Classification) -> int:
        """Return the crops that the engine got of a clip: a frame that is chosen twice is inferred once."""
        rule = sampling_rule(PUBLISHED.sampling)
        chosen: Sequence[int] = rule(clip.frames or result.frames, self._job.cell.segments)
        return len(set(chosen)) * view_count(self._job.cell.views, mirror_in_graph=self._spec.mirror)


def peak_memory_mb(status: Path = Path("/proc/self/status")) -> float:
    """Return the peak resident memory of this process, in MB (10^6 bytes).

    Linux's VmHWM begins anew with the program.  Elsewhere getrusage tells, whose figure a child inherits from the
    process that started it, so that it is never below what its parent once took.
    """
    try:
        match = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
