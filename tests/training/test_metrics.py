import os

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


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_line_that_a_kill_cut_short_is_cut_off_too(tmp_path, kept):
    lines = ['{"epoch": 1}\n', '{"epoch": 2}\n']
    (tmp_path / "m.jsonl").write_text("".join(lines) + '{"ep')
    with MetricsLog(tmp_path / "m.jsonl", keep_bytes=len("".join(lines[:kept]))) as log:
        log.write("epoch", epoch=9)
    assert [record["epoch"] for record in read_metrics(tmp_path / "m.jsonl")] == [*range(1, kept + 1), 9]


def test_a_full_disk_keeps_the_lines_until_then_and_is_one_error(tmp_path, monkeypatch):
    real = os.write

    def cut(descriptor, data):
        if len(data) < 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:4])

    path = tmp_path / "m.jsonl"
    cause = r"m\.jsonl: cannot be written \(No space left on device\); make room, then go on with --resume"
    with pytest.raises(InputError, match=cause), MetricsLog(path) as log:
        log.write("epoch", epoch=1)
        monkeypatch.setattr(os, "write", cut)
        log.write("epoch", epoch=2)
    assert path.read_bytes().endswith(b"\n")
    assert [record["epoch"] for record in read_metrics(path)] == [1]


def test_an_unfinished_last_line_is_left_out(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"kind": "epoch"}\n{"kind": "ep')
    assert len(list(read_metrics(tmp_path / "m.jsonl"))) == 1


def test_a_log_shorter_than_its_checkpoint_says_is_refused(tmp_path):
    with pytest.raises(InputError, match="shorter than the 99 bytes"):
        MetricsLog(tmp_path / "m.jsonl", keep_bytes=99)
