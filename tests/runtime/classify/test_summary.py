import re

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.results import Failure, Truth
from pptsn.runtime.classify.summary import Summary
from tests.runtime.classify.test_results import classification

RATE = re.compile(r"[\d.e+]+ a second")


def summary(counts: dict[str, int], *, failed: int = 0) -> str:
    found = Summary()
    for label, count in counts.items():
        for _ in range(count):
            found.count(classification(labels=("x", label, "z")))
    for _ in range(failed):
        found.count(Failure("b.mp4", InputError("b.mp4", "is empty")))
    assert found.failed == failed
    return RATE.sub("R a second", found.line(files=["a.csv", "b.json"]))


@pytest.mark.parametrize(
    ("counts", "failed", "line"),
    [
        ({"run": 2}, 0, "2 of 2 sources answered; R a second; run 2"),
        ({"a": 1, "b": 3}, 2, "4 of 6 sources answered; 2 failed; R a second; b 3, a 1"),
        (
            {"a": 4, "b": 3, "c": 2, "d": 1},
            0,
            "10 of 10 sources answered; R a second; a 4, b 3, c 2, 1 more class",
        ),
        (
            {"a": 4, "b": 3, "c": 2, "d": 1, "e": 1},
            0,
            "11 of 11 sources answered; R a second; a 4, b 3, c 2, 2 more classes",
        ),
        ({}, 3, "0 of 3 sources answered; 3 failed"),
    ],
)
def test_results_are_summed_up_in_a_line(counts: dict[str, int], failed: int, line: str) -> None:
    assert summary(counts, failed=failed) == f"{line}; in a.csv, b.json"


@pytest.mark.parametrize("before", range(3))
def test_files_that_were_gone_on_with_hold_answers_of_before_too(before: int) -> None:
    found = Summary()
    found.count(classification())
    said = found.line(files=["a.csv", "b.json"], before=before).split("; ")[-1]
    assert (
        said
        == ["in a.csv, b.json", "in a.csv, b.json, beside 1 of before", "in a.csv, b.json, beside 2 of before"][
            before
        ]
    )


def test_where_nothing_is_written_it_is_not_said_to_be_in_the_files() -> None:
    found = Summary(below=0.0)
    found.count(classification())
    assert found.line(files=["a.csv", "b.json"]).endswith(
        "; 0 below 0; nothing to write, a.csv, b.json left as before"
    )
    found.count(Failure("b.mp4", InputError("b.mp4", "is empty")))
    assert found.line(files=["a.csv"]).endswith("; 0 below 0; in a.csv")


@pytest.mark.parametrize(
    ("right", "wrong", "failed", "said"),
    [
        (3, 0, 0, "top-1 100.0% (3 of 3 right)"),
        (1, 2, 0, "top-1 33.3% (1 of 3 right)"),
        (1, 1, 2, "top-1 25.0% (1 of 4 right)"),
        (0, 0, 2, "top-1 0.0% (0 of 2 right)"),
        (0, 0, 0, None),
    ],
)
def test_answers_for_sources_with_labels_are_counted_right_or_wrong(
    right: int, wrong: int, failed: int, said: str | None
) -> None:
    found = Summary()
    found.count(classification())  # without a label
    for label in [1] * right + [2] * wrong:
        found.count(classification(truth=Truth(label, "xyz"[label])))
    for _ in range(failed):
        found.count(Failure("b.mp4", InputError("b.mp4", "is empty"), Truth(1, "y")))
    parts = found.line(files=[]).split("; ")
    assert [part for part in parts if "top-1" in part] == ([said] if said else [])
