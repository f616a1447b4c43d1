import numpy as np
import pytest

from pptsn.convert.verify.agreement import agreement, normalised_errors
from pptsn.convert.verify.limits import FP16_ERROR


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_figures() -> None:
    reference = logits([1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1])
    other = reference + logits([0, 0, 0, 0, 0, 0, 0.5], [0, 2, 0, 0, 0, 0, 0])
    found = agreement(other, reference)
    assert found.rows == 2
    assert found.max_abs == 2
    assert found.mean_abs == pytest.approx(2.5 / 14)
    assert found.top1 == 0.5
    assert found.top5 == 1.0


def test_top5_counts_shared_classes() -> None:
    found = agreement(logits([9, 8, 7, 6, 5, 4, 3]), logits([3, 4, 7, 6, 5, 8, 9]))
    assert found.top5 == pytest.approx(3 / 5)
    assert found.top1 == 0


def test_fewer_than_five_classes_are_all_counted() -> None:
    assert agreement(logits([1, 2, 3]), logits([3, 2, 1])).top5 == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_never_agrees(bad: float) -> None:
    found = agreement(logits([1, bad]), logits([1, bad]))
    assert found.max_abs == np.inf
    assert found.to_dict()["max_abs"] is None
    assert (found.top1, found.top5) == (0, 0)


def test_of_equal_logits_the_lower_class_leads_in_both() -> None:
    found = agreement(logits([2, 2, 2, 2, 2, 2, 2, 2]), logits([3, 3, 3, 3, 3, 1, 1, 1]))
    assert (found.top1, found.top5) == (1, 1)
    assert agreement(logits([2, 2]), logits([1, 2])).top1 == 0


def test_other_shapes_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        agreement(logits([1, 2]), logits([1, 2, 3]))


def test_a_row_of_equal_logits_is_judged_by_their_magnitude() -> None:
    reference = logits([30], [0.5], [30])
    errors = normalised_errors(logits([30.3], [0.51], [30]), reference)
    assert errors == pytest.approx([0.01, 0.01, 0], rel=1e-4)
    assert normalised_errors(logits([0, 0.02]), logits([0, 0])) == pytest.approx([0.02 / 2**0.5])
    half = reference.astype(np.float16).astype(np.float32)
    assert agreement(half, reference).error_worst < FP16_ERROR


def test_other_rows_are_judged_by_their_deviation() -> None:
    errors = normalised_errors(logits([101, 103], [1, 3]), logits([100, 102], [1, 3]))
    assert errors == pytest.approx([1, 0])


@pytest.mark.parametrize("between", [2.0, 1.0, 0.5, 1e-3, 0.0])
def test_a_row_that_is_undecided_is_judged_by_what_the_others_tell_apart(between: float) -> None:
    reference = logits([0, 2], [5, 9], [1, 1 + between])
    errors = normalised_errors(reference + np.float32(0.01), reference)
    assert errors == pytest.approx([0.01, 0.005, 0.01], rel=1e-3)


def test_a_row_that_is_not_finite_leaves_the_others_theirs() -> None:
    reference = logits([0, 2], [np.nan, 0])
    assert normalised_errors(logits([0.5, 2.5], [0, 0]), reference) == pytest.approx([0.5, np.inf])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_the_error_of_what_is_not_finite_is_infinite_for_one_class_too(bad: float, side: int) -> None:
    pair = [logits([1]), logits([1])]
    pair[side] = logits([bad])
    assert normalised_errors(*pair) == np.inf
    assert normalised_errors(logits([bad]), logits([bad])) == np.inf
