"""How often a cell is right, or, without labels, how often it says what the best of them says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pptsn.benchmarks.measure.results import Measurement
from pptsn.benchmarks.sweep.clips import Clip
from pptsn.runtime.evaluate.accuracy import Leading, accuracy, same_answers

# The leading classes of each clip, by its index in the list; see pptsn.benchmarks.sweep.job.Findings.
Answers = Mapping[int, Leading]


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
