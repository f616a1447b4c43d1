"""Which classes make events, and when: thresholds, and the options that state them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_ranges, option

# Where only the upper threshold is given, the lower one is this share of it.
OFF_SHARE = 0.8

_PANEL = "Events"

_FORMS = (
    "write ON, ON:OFF, CLASS=ON or CLASS=ON:OFF with 0 <= OFF <= ON <= 1 and ON above 0, such as archery=0.8:0.5"
)


@dataclass(frozen=True)
class Threshold:
    """An event starts at a score of `on` or more and ends below `off`; both in 0..1, off no more than on.

    The distance between the two keeps a score that trembles around one value from starting event after event.
    """

    on: float
    off: float


@dataclass(frozen=True)
class DecisionRules:
    """How scores become events.

    smoothing_s: time constant of the exponential mean over the scores; 0: none.
    thresholds: of the classes that make events, by class number; empty: there are no events.
    watched: the classes to show and to make events of, or None for all.  Scores stay as they are.
    cool_down_s: for so long after the end of an event its class starts no other one.
    """

    smoothing_s: float = 0.0
    thresholds: Mapping[int, Threshold] = field(default_factory=dict)
    watched: frozenset[int] | None = None
    cool_down_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """How scores become events, as a user states it, for whatever model.

    thresholds: `0.6` or `0.6:0.4` for all watched classes, `archery=0.8:0.5` for one, by label or number; a
        class's own counts, whatever the order.  Without `:OFF` it is OFF_SHARE of `ON`.  A label may hold "=": the
        last one ends it.
    classes: labels or numbers with commas between them.  A label that holds a comma is given alone.
    smoothing_s, cool_down_s: see DecisionRules.
    Raises UsageError for times that make no sense; the rest depends on the model, see `rules`.
    """

    thresholds: tuple[str, ...] = option(
        "Report an event from score ON until below OFF: ON:OFF (0.6:0.4), ON, CLASS=ON:OFF; any number.",
        "--threshold",
        default=(),
        panel=_PANEL,
    )
    classes: tuple[str, ...] = option(
        "Classes to watch: labels or numbers, with commas between.", default=(), panel=_PANEL
    )
    smoothing_s: float = option(
        "Seconds: time constant of an exponential mean over scores; 0: none.",
        "--smoothing",
        default=0.0,
        panel=_PANEL,
        least=0,
    )
    cool_down_s: float = option(
        "Seconds after an event without another of its class.", "--cool-down", default=0.0, panel=_PANEL, least=0
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def rules(self, labels: Sequence[str]) -> DecisionRules:
        """Return the rules for a model with the classes `labels`.

        Raises UsageError for an unknown class, a bad value, and a class with two thresholds.
        """
        names = _ClassNames(labels)
        watched = frozenset(_parse_classes(self.classes, names)) or None
        thresholds = _parse_thresholds(self.thresholds, names, watched)
        return DecisionRules(self.smoothing_s, thresholds, watched, self.cool_down_s)


class _ClassNames:
    """Finds classes by label or number."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._numbers: dict[str, list[int]] = {}
        for number, label in enumerate(labels):
            self._numbers.setdefault(label.casefold(), []).append(number)

    def __len__(self) -> int:
        return len(self._labels)

    def label(self, number: int) -> str:
        return self._labels[number]

    def get(self, name: str) -> list[int]:
        """Return the classes called `name`: of labels that differ in case alone the one that fits, if any does."""
        numbers = self._numbers.get(name.casefold(), [])
        exact = [number for number in numbers if self._labels[number] == name]
        if exact or numbers:
            return exact or numbers
        if name.isascii() and name.isdigit() and int(name) < len(self._labels):
            return [int(name)]
        return []

    def find(self, name: str, option: str) -> int:
        """Return the one class called `name`, or raise UsageError."""
        numbers = self.get(name)
        if len(numbers) > 1:
            choices = ", ".join(map(str, numbers))
            raise UsageError(
                option, f"{name!r} is the label of {len(numbers)} classes", f"give a number: {choices}"
            )
        if not numbers:
            raise UsageError(option, f"the model has no class {name!r}", self._hint(name))
        return numbers[0]

    def _hint(self, name: str) -> str:
        close = difflib.get_close_matches(name.casefold(), self._numbers, n=3, cutoff=0.5)
        if close:
            return "close to it: " + ", ".join(repr(self._labels[self._numbers[label][0]]) for label in close)
        return f"give a label of the model or a number from 0 to {len(self._labels) - 1}"


def _parse_classes(texts: Sequence[str], names: _ClassNames) -> Iterator[int]:
    for text in texts:
        whole = text.strip()
        if names.get(whole):  # a label may hold commas
            yield names.find(whole, "--classes")
            continue
        for name in whole.split(","):
            if not name.strip():
                raise UsageError(
                    "--classes", f"{text!r} holds an empty name", "give labels with commas between them"
                )
            yield names.find(name.strip(), "--classes")


def _parse_thresholds(
    texts: Sequence[str], names: _ClassNames, watched: frozenset[int] | None
) -> dict[int, Threshold]:
    general: Threshold | None = None
    own: dict[int, Threshold] = {}
    for text in texts:
        name, equals, values = text.rpartition("=")
        threshold = _parse_threshold(values, text)
        if not equals:
            if general is not None:
                raise UsageError("--threshold", f"{text!r} is a second one for all classes", "give one")
            general = threshold
            continue
        number = names.find(name.strip(), "--threshold")
        if number in own:
            raise UsageError("--threshold", f"{names.label(number)!r} is given two", "give one for each class")
        if watched is not None and number not in watched:
            raise UsageError(
                "--threshold", f"{names.label(number)!r} is not watched", "name it in --classes as well"
            )
        own[number] = threshold
    if general is None:
        return own
    every = range(len(names)) if watched is None else sorted(watched)
    return {number: own.get(number, general) for number in every}


def _parse_threshold(values: str, text: str) -> Threshold:
    upper, colon, lower = values.partition(":")
    try:
        on = float(upper)
        off = float(lower) if colon else OFF_SHARE * on
    except ValueError as error:
        raise UsageError("--threshold", f"{text!r} is no threshold", _FORMS) from error
    if not (0 < on <= 1 and 0 <= off <= on):
        raise UsageError("--threshold", f"{text!r} is out of range", _FORMS)
    return Threshold(on, off)
