"""The answers that a report is made of: each clip of the lists, classified once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.progress import print_note, progress_bar
from pptsn.runtime.classify.lists import Sample, source_of
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.recognizer import Recognizer


@dataclass(frozen=True)
class Answered:
    """The clips of a list, their classes, and what came of each, in its order."""

    sources: tuple[Source, ...]
    labels: tuple[int, ...]
    results: tuple[Classification | Failure, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What could not be read."""
        return tuple(result for result in self.results if isinstance(result, Failure))


def require_classes(samples: Sequence[Sample], spec: ModelSpec, *, list_name: object) -> None:
    """Raise UsageError, naming the list, for a sample of a class that the model does not have."""
    beyond = [sample for sample in samples if sample.label >= spec.classes]
    if beyond:
        last = spec.classes - 1
        first = f"{beyond[0].path} is of class {beyond[0].label}"
        cause = f"has clips of other classes ({first}), the model has {spec.classes} classes, 0 to {last}"
        raise UsageError(list_name, cause, "name a list of the model's own classes")


def answered(
    recognizer: Recognizer, samples: Sequence[Sample], settings: ClassifySettings, *, list_name: str
) -> Answered:
    """Classify `samples`, of classes that the model has, by `settings`; list_name: to show."""
    sources = tuple(source_of(sample) for sample in samples)
    results = recognizer.classify_by(settings, sources, note=print_note)
    found = []
    with progress_bar() as bar:
        task = bar.add_task(f"classifying {list_name}", total=len(sources))
        for result in results:
            found.append(result)
            bar.advance(task)
    return Answered(sources, tuple(sample.label for sample in samples), tuple(found))
