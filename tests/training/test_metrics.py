import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.training.metrics import MetricsLog, read_metrics


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
