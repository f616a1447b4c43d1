import numpy as np
import pytest

from runtime.errors import InputError
from training.metrics import MetricsLog, correct_counts, read_metrics


def test_top_1_and_top_5_are_counted():
    logits = np.tile(np.arange(8, dtype=np.float32), (3, 1))
    assert correct_counts(logits, np.array([7, 3, 2])) == (1, 2)


def test_equal_logits_are_no_answer():
    assert correct_counts(np.zeros((8, 8), np.float32), np.arange(8)) == (1, 5)


def test_logits_that_are_no_numbers_are_wrong():
    logits = np.full((1, 3), np.nan, np.float32)
    assert correct_counts(logits, np.array([0])) == (0, 0)


def test_a_log_is_read_back(tmp_path):
    with MetricsLog(tmp_path / "m.jsonl") as log:
        log.write("epoch", epoch=1, loss=0.5)
    assert list(read_metrics(tmp_path / "m.jsonl")) == [{"kind": "epoch", "epoch": 1, "loss": 0.5}]


def test_what_came_after_the_checkpoint_is_cut_off(tmp_path):
    path = tmp_path / "m.jsonl"
    with MetricsLog(path) as log:
        log.write("epoch", epoch=1)
        length = log.durable_bytes()
        log.write("iteration", epoch=1.5)
    with MetricsLog(path, keep_bytes=length) as log:
        log.write("epoch", epoch=2)
    assert [record["epoch"] for record in read_metrics(path)] == [1, 2]


def test_an_unfinished_last_line_is_left_out(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"kind": "epoch"}\n{"kind": "ep')
    assert len(list(read_metrics(tmp_path / "m.jsonl"))) == 1


def test_a_log_shorter_than_its_checkpoint_says_is_refused(tmp_path):
    with pytest.raises(InputError, match="shorter than the 99 bytes"):
        MetricsLog(tmp_path / "m.jsonl", keep_bytes=99)
