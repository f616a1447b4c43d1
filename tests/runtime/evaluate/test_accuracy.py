from __future__ import annotations

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.ranking import correct_counts
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.evaluate.accuracy import Answers, accuracy, leading, same_answers


def test_the_five_leading_classes_come_best_first_and_ties_by_class() -> None:
    logits = np.array([[0, 2, 1, 2, 0, 0, -1]], np.float32)
    assert leading(logits) == [(1, 3, 2, 0, 4)]
    assert leading(logits[:, :2]) == [(1, 0)]


def test_logits_that_are_no_numbers_lead_to_no_class() -> None:
    logits = np.array([[1, np.nan], [np.inf, 0], [0, 1]], np.float32)
    assert leading(logits) == [(), (), (1, 0)]


def test_a_clip_without_an_answer_is_wrong() -> None:
    found = accuracy({0: (1, 2, 0), 2: (2, 1, 0), 3: ()}, [1, 1, 1, 1])
    assert (found.clips, found.top1_count, found.top5_count) == (4, 1, 2)
    assert (found.top1, found.top5) == (0.25, 0.5)


def test_each_class_has_a_share_of_its_own() -> None:
    found = accuracy({0: (0,), 1: (0,), 2: (3,)}, [0, 3, 3])
    assert found.class_top1 == {0: 1.0, 3: 0.5}


def test_counts_are_those_of_the_ranking_that_training_validates_by() -> None:
    rng = np.random.default_rng(3)
    logits = rng.integers(0, 4, (200, 9)).astype(np.float32)  # many ties
    logits[7, 2] = np.nan
    labels = rng.integers(0, 9, 200)
    found = accuracy(dict(enumerate(leading(logits))), labels.tolist())
    assert (found.top1_count, found.top5_count) == correct_counts(logits, labels)


def test_without_labels_there_is_no_accuracy() -> None:
    with pytest.raises(ValueError, match="one label or more"):
        accuracy({}, [])


def test_only_clips_that_both_answer_alike_agree() -> None:
    answers = {0: (1, 0), 1: (0, 1), 2: (), 4: (1,)}
    assert same_answers(answers, {0: [1, 2], 1: [1, 0], 2: [], 3: [1]}) == 1


def test_failures_are_kept_apart_by_their_index() -> None:
    failure = Failure("b.mp4", InputError("b.mp4", "is empty", "name another"))
    answers = Answers.of([failure])
    assert answers.leading == {}
    assert answers.unreadable == {0: "b.mp4: is empty; name another"}
