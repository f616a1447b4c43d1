import numpy as np

from pptsn.runtime.classify.ranking import correct_counts, leading_classes


def test_top_1_and_top_5_are_counted() -> None:
    logits = np.tile(np.arange(8, dtype=np.float32), (3, 1))
    assert correct_counts(logits, np.array([7, 3, 2])) == (1, 2)


def test_equal_logits_are_no_answer() -> None:
    assert correct_counts(np.zeros((8, 8), np.float32), np.arange(8)) == (1, 5)


def test_logits_that_are_no_numbers_are_wrong() -> None:
    logits = np.full((1, 3), np.nan, np.float32)
    assert correct_counts(logits, np.array([0])) == (0, 0)


def test_leading_classes_come_best_first_and_ties_by_class() -> None:
    logits = np.array([[1, 3, 2, 3], [0, 0, 0, 0]], np.float32)
    assert leading_classes(logits, 3).tolist() == [[1, 3, 2], [0, 1, 2]]
    assert leading_classes(logits, 9).shape == (2, 4)
    many = (np.arange(200, dtype=np.float32) % 3)[None]
    assert leading_classes(many, 67)[0].tolist() == [*range(2, 200, 3), 1]
