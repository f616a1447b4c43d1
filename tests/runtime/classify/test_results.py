import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.results import Classification, Failure, Timing, Truth, softmax
from pptsn.runtime.frames.protocols import PUBLISHED


def classification(**changes: object) -> Classification:
    values = {
        "source": "a.mp4",
        "frames": 131,
        "duration_s": 5.24,
        "protocol": PUBLISHED,
        "logits": np.float32([0, 2, 1]),
        "labels": ("x", "y", "z"),
        "timing": Timing(1.234, 5.678, 9.0),
    }
    return Classification(**(values | changes))  # type: ignore[arg-type]


def test_scores_are_a_softmax_that_does_not_overflow() -> None:
    scores = softmax(np.float32([[0, np.log(3)], [1e4, 1e4]]))
    np.testing.assert_allclose(scores, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)


def test_the_leading_classes_come_best_first() -> None:
    top = classification().top(2)
    assert [(p.class_id, p.label) for p in top] == [(1, "y"), (2, "z")]
    assert top[0].score > top[1].score
    assert len(classification().top(10)) == 3


def test_ties_are_ordered_by_class() -> None:
    assert [p.class_id for p in classification(logits=np.float32([1, 1, 1])).top(3)] == [0, 1, 2]


def test_a_result_as_json_has_the_documented_fields() -> None:
    fields = classification().to_dict(top=1)
    assert list(fields) == [
        "source", "frames", "duration_s", "segments", "views", "sampling", "resize_rule", "top", "margin",
        "timing_ms",
    ]  # fmt: skip
    assert fields["top"] == [{"class_id": 1, "label": "y", "score": 0.665241}]
    assert fields["margin"] == 0.420512
    assert fields["timing_ms"] == {"decode": 1.23, "inference": 5.68, "total": 9.0}


def test_warnings_and_lost_frames_appear_where_there_are_any() -> None:
    fields = classification(lost_frames=3, warnings=("3 packets could not be decoded",)).to_dict()
    assert fields["lost_frames"] == 3
    assert fields["warnings"] == ["3 packets could not be decoded"]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_source_with_a_label_says_which_class_is_true_and_whether_it_is_answered(label: int) -> None:
    answer = classification(truth=Truth(label, "xyz"[label]))
    assert answer.right is (label == 1)
    fields = answer.to_dict(top=1)
    assert (fields["truth"], fields["right"]) == ({"class_id": label, "label": "xyz"[label]}, label == 1)
    assert classification().right is None
    failure = Failure("a.mp4", InputError("a.mp4", "is empty"), Truth(1, "y"))
    assert failure.right is False
    assert failure.to_dict() == {
        "source": "a.mp4", "truth": {"class_id": 1, "label": "y"}, "right": False, "error": "a.mp4: is empty",
    }  # fmt: skip


def test_a_failure_as_json_has_source_and_error() -> None:
    failure = Failure("a.mp4", InputError("a.mp4", "is empty", "record it again"))
    assert failure.to_dict() == {"source": "a.mp4", "error": "a.mp4: is empty; record it again"}


def test_results_can_be_compared_and_kept_in_sets() -> None:
    one, other = classification(), classification()
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
