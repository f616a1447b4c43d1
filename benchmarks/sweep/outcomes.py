"""From what the cells found to results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pptsn.benchmarks.measure.percentiles import over_repeats, percentile_over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.benchmarks.sweep.cells import Cell, Findings, FolderRun
from pptsn.benchmarks.sweep.clips import Clip, name_of
from pptsn.benchmarks.sweep.pareto import recommended
from pptsn.runtime.evaluate.accuracy import Leading, accuracy, same_answers
from pptsn.runtime.frames.views import VIEW_PLANS

# The leading classes of each clip, by its index in the list; see Findings.
Answers: TypeAlias = Mapping[int, Leading]


@dataclass(frozen=True)
class Outcome:
    """How one cell ended: with findings, or with the error that says why not.  size_mb: of the model's file."""

    cell: Cell
    findings: Findings | None = None
    error: str = ""
    size_mb: float | None = None


@dataclass(frozen=True)
class _Answered:
    """A cell that answered the whole list."""

    cell: Cell
    findings: Findings
    answers: Answers


def results_of(outcomes: Sequence[Outcome], clips: Sequence[Clip]) -> list[Result]:
    """Return a result for each of `outcomes`, in their order; the one to take says so in its sentence.

    Cells that differ in their batch alone share the answers of the first of them.
    """
    answered: dict[object, _Answered] = {}
    opened: dict[object, Findings] = {}
    for outcome in outcomes:
        found = outcome.findings
        if found is not None:
            opened.setdefault(outcome.cell.opening, found)
            if found.answers is not None:
                answered.setdefault(outcome.cell.question, _Answered(outcome.cell, found, found.answers))
    reference = _reference(list(answered.values()))
    results = []
    for outcome in outcomes:
        cell, found = outcome.cell, outcome.findings
        settings = {**_settings(cell, opened.get(cell.opening)), "clips": name_of(clips)}
        if found is None:
            results.append(Result(section="sweep", settings=settings, error=outcome.error))
            continue
        own = answered.get(cell.question)
        results.append(
            Result(
                section="sweep",
                settings=settings,
                measurements=(
                    *_accuracy(own, reference, clips),
                    *_costs(found, outcome.size_mb, device=str(settings["device"])),
                ),
                facts=_facts(cell, found, own, clips),
            )
        )
    best, sentence = recommended(results) or (None, "")
    return [replace(result, sentence=sentence) if result is best else result for result in results]


def _reference(answered: Sequence[_Answered]) -> _Answered | None:
    """Return what unlabelled clips are compared with: the first model's cell that looks at most of them."""
    of_first = [each for each in answered if each.cell.opening == answered[0].cell.opening]
    return max(
        of_first,
        key=lambda each: (each.cell.segments, -VIEW_PLANS.index(each.cell.views)),
        default=None,
    )


def _settings(cell: Cell, opened: Findings | None) -> dict[str, Setting]:
    """Return the key of a cell: backend and device as they turned out, or as they were asked for."""
    backend, device = cell.backend, cell.device
    if opened is not None:
        backend, device = opened.backend, opened.device
    if cell.threads is not None:
        backend += f" {cell.threads} thread{'s' if cell.threads > 1 else ''}"
    return {
        "model": cell.model.name,
        "precision": None if opened is None else opened.precision,
        "backend": backend,
        "device": device,
        "views": cell.views,
        "segments": cell.segments,
        "batch": "auto" if cell.batch is None else cell.batch,
    }


def _accuracy(
    own: _Answered | None, reference: _Answered | None, clips: Sequence[Clip]
) -> tuple[Measurement, ...]:
    if own is None or reference is None:
        return ()
    if clips[0].label is not None:
        return right_answers(own.answers, clips, classes=own.findings.classes)
    cell = reference.cell
    with_whom = f"{cell.model.name} with {cell.views} views of {cell.segments} segments"
    return (agreement(own.answers, reference.answers, with_whom=with_whom),)


def right_answers(answers: Answers, clips: Sequence[Clip], *, classes: int) -> tuple[Measurement, ...]:
    """Return top1_percent and top5_percent over all of `clips`; one that could not be read is wrong.

    Not known where a label is none of the model's `classes`: the list is of other classes.
    """
    labels = [clip.label or 0 for clip in clips]  # a list gives a label to all clips, or to none
    highest = max(labels)
    if highest >= classes:
        note = f"the list has label {highest}, the model has classes 0 to {classes - 1}: another list is needed"
        return tuple(_share(name, None, note=note) for name in ("top1_percent", "top5_percent"))
    found = accuracy(answers, labels)
    return (
        _share("top1_percent", found.top1_count, of=found.clips),
        _share("top5_percent", found.top5_count, of=found.clips),
    )


def agreement(answers: Answers, reference: Answers, *, with_whom: str) -> Measurement:
    """Return agreement_percent: the share of the clips that `reference` answers with the same leading class.

    A clip that could not be read, or whose logits were no numbers, does not agree.
    """
    note = f"the share of clips with the same answer as {with_whom}"
    return _share("agreement_percent", same_answers(answers, reference), of=len(reference), note=note)


def _share(name: str, count: int | None, *, of: int = 0, note: str = "") -> Measurement:
    value = 100 * count / of if count is not None and of else None
    return Measurement(name=name, unit="%", better="higher", value=value, samples=of, note=note)


def _costs(found: Findings, size_mb: float | None, *, device: str) -> tuple[Measurement, ...]:
    runs = found.folder_runs
    clips = sum(run.clips for run in runs)
    crops_per_s = [run.crops / run.seconds for run in runs]
    views_per_s = [found.views_per_crop * rate for rate in crops_per_s]
    gpu = "of the host; what a GPU holds is not in it" if device.startswith("cuda") else ""
    return (
        percentile_over_repeats("latency_p50_ms", 0.50, found.latency_ms),
        percentile_over_repeats("latency_p90_ms", 0.90, found.latency_ms),
        over_repeats(
            "clips_per_s", [r.clips / r.seconds for r in runs], unit="clips/s", better="higher", samples=clips
        ),
        over_repeats("crops_per_s", crops_per_s, unit="crops/s", better="higher", samples=clips),
        over_repeats("views_per_s", views_per_s, unit="views/s", better="higher", samples=clips),
        _single("peak_memory_mb", found.peak_memory_mb, note=gpu),
        _single("model_size_mb", size_mb),
        _joules(found),
    )


def _single(name: str, value: float | None, *, note: str = "") -> Measurement:
    return Measurement(name=name, unit="MB", better="lower", value=value, samples=1, note=note)


def _joules(found: Findings) -> Measurement:
    known = [run.joules / run.clips for run in found.folder_runs if run.joules is not None]
    if len(known) < len(found.folder_runs):
        note = "; ".join(found.energy_notes) or "this machine does not tell its energy"
        return Measurement(name="joules_per_clip", unit="J", better="lower", value=None, note=note)
    return over_repeats("joules_per_clip", known, unit="J", better="lower")


def _joules_by_source(runs: Sequence[FolderRun]) -> dict[str, float]:
    """Return the joules a clip of each sensor that told them in all of `runs`."""
    clips = sum(run.clips for run in runs)
    names = [name for name in runs[0].joules_by_source if all(name in run.joules_by_source for run in runs)]
    return {name: sum(run.joules_by_source[name] for run in runs) / clips for name in names}


def _facts(cell: Cell, found: Findings, own: _Answered | None, clips: Sequence[Clip]) -> dict[str, Any]:
    unreadable = {**found.unreadable, **(own.findings.unreadable if own else {})}
    return {
        "engine": found.description,
        "notes": found.notes,
        "batch_size": found.batch_size,
        "clips": len(clips),
        "clips_timed": found.clips_timed,
        "unreadable": len(unreadable),
        "unreadable_clips": [f"{path}: {reason}" for path, reason in unreadable.items()],
        "joules_per_clip_by_source": _joules_by_source(found.folder_runs),
        "answers_of_batch": None if own is None else ("auto" if own.cell.batch is None else own.cell.batch),
    }
