"""The options that state which classes make events, and when."""

from __future__ import annotations

import math

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.actions.thresholds import OFF_SHARE, DecisionRules, EventSettings, Threshold

LABELS = ("archery", "fight", "news, live", "a=b", "Drinking", "drinking")


def parse(*thresholds: str, classes: tuple[str, ...] = (), labels: tuple[str, ...] = LABELS) -> DecisionRules:
    return EventSettings(thresholds=thresholds, classes=classes).rules(labels)


def test_one_threshold_is_for_all_classes_and_its_lower_one_is_a_share_of_it() -> None:
    rules = parse("0.5")
    assert rules.thresholds == {number: Threshold(0.5, 0.5 * OFF_SHARE) for number in range(len(LABELS))}
    assert rules.watched is None


def test_without_threshold_there_are_no_events() -> None:
    assert parse(classes=("archery",)).thresholds == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("archery=0.8:0.5", 0),
        ("1=0.8:0.5", 1),
        ("news, live=0.8:0.5", 2),
        ("a=b=0.8:0.5", 3),
        (" Archery =0.8:0.5", 0),
    ],
)
def test_a_threshold_names_its_class_by_label_or_number(text: str, number: int) -> None:
    assert parse(text).thresholds == {number: Threshold(0.8, 0.5)}


@pytest.mark.parametrize("order", [("0.6", "fight=0.9"), ("fight=0.9", "0.6")])
def test_a_class_s_own_threshold_counts_whatever_the_order(order: tuple[str, str]) -> None:
    thresholds = parse(*order).thresholds
    assert thresholds[1].on == 0.9
    assert thresholds[0].on == 0.6


def test_a_threshold_for_all_is_for_all_that_are_watched() -> None:
    rules = parse("0.6:0.2", classes=("fight,archery",))
    assert rules.watched == frozenset({0, 1})
    assert rules.thresholds == {0: Threshold(0.6, 0.2), 1: Threshold(0.6, 0.2)}


def test_classes_are_separated_by_commas_and_a_label_with_a_comma_stands_alone() -> None:
    assert parse(classes=("archery, 3", "news, live")).watched == frozenset({0, 2, 3})


def test_of_labels_that_differ_in_case_the_one_that_fits_is_meant() -> None:
    assert parse(classes=("Drinking",)).watched == frozenset({4})
    assert parse(classes=("drinking",)).watched == frozenset({5})
    with pytest.raises(UsageError, match=r"label of 2 classes; give a number: 4, 5"):
        parse(classes=("DRINKING",))


def test_a_label_that_looks_like_a_number_goes_before_the_number() -> None:
    assert parse(classes=("1",), labels=("zero", "one", "1")).watched == frozenset({2})


def test_an_unknown_class_is_answered_with_those_close_to_it() -> None:
    with pytest.raises(UsageError, match=r"--threshold: the model has no class 'archry'; close to it: 'archery'"):
        parse("archry=0.5")
    with pytest.raises(UsageError, match=r"--classes: .*no class '6'; give a label .* 0 to 5"):
        parse(classes=("6",))


@pytest.mark.parametrize(
    "text", ["", "much", "0.5:", "1.5", "0", "nan", "0.4:0.6", "0.5:-1", "archery=", "0.5:nan"]
)
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--threshold"):
        parse(text)


@pytest.mark.parametrize(
    ("thresholds", "classes", "cause"),
    [
        (("0.5", "0.6"), (), "second one for all"),
        (("archery=0.5", "0=0.6"), (), "given two"),
        (("archery=0.5",), ("fight",), "not watched"),
        ((), ("archery,,fight",), "empty name"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    thresholds: tuple[str, ...], classes: tuple[str, ...], cause: str
) -> None:
    with pytest.raises(UsageError, match=cause):
        parse(*thresholds, classes=classes)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_times_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(UsageError, match="--smoothing"):
        EventSettings(smoothing_s=value)
    with pytest.raises(UsageError, match="--cool-down"):
        EventSettings(cool_down_s=value)
