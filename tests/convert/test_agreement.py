import numpy as np
import pytest

from convert.agreement import agreement


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
