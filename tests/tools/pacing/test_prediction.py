"""The written model: its terms one by one, and against what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tools.pacing.__main__ import measured_lines, server_lines
from tools.pacing.prediction import SERVERS, TENSORRT, Pipeline, checked_rows

PERFORMANCE = Path(__file__).parents[3] / "docs" / "performance.md"

# One device of 100 clips a second, ten decoders of 10 each.
EVEN = Pipeline(decoders=10, decode_s=0.1, devices=1, views_per_s=25_000, views=250)


def test_the_slowest_part_sets_the_pace() -> None:
    assert EVEN.clips_per_s() == pytest.approx(100)
    assert replace(EVEN, decoders=4).clips_per_s() == pytest.approx(40)
    assert replace(EVEN, decoders=4).slowest() == "decoders"
    assert replace(EVEN, views=500).clips_per_s() == pytest.approx(50)
    assert replace(EVEN, views=500).slowest() == "devices"
    assert replace(EVEN, views=500, devices=2).clips_per_s() == pytest.approx(100)
    assert replace(EVEN, feed_s=0.02).clips_per_s() == pytest.approx(50)
    assert replace(EVEN, feed_s=0.02).slowest() == "feeding"
    assert replace(EVEN, feed_s=0.02, processes=2).clips_per_s() == pytest.approx(100)


def test_padding_and_new_shapes_cost_the_device_time() -> None:
    assert EVEN.device_s == pytest.approx(0.01)
    assert replace(EVEN, padding=128 / 125).device_s == pytest.approx(0.01024)
    assert replace(EVEN, shape_changes=2, shape_s=0.15).device_s == pytest.approx(0.31)


def test_a_run_is_its_start_its_clips_and_what_is_around_them() -> None:
    assert EVEN.seconds(1) == pytest.approx(0.1 + 0.01)
    assert replace(EVEN, start_s=14.0).seconds(101) == pytest.approx(14 + 0.1 + 1 + 0.01)


def test_it_predicts_what_was_measured_on_the_gpu_within_a_tenth() -> None:
    off = {row.what: row.error for row in checked_rows()}
    assert len(off) == 7
    assert {what: error for what, error in off.items() if abs(error) > 0.1} == {}


def test_cores_are_shared_between_decoders_and_feeding() -> None:
    few, many = (server.pipeline(TENSORRT, feed_s=0.01) for server in SERVERS)
    assert (few.decoders, few.devices) == (15, 1)
    assert (many.decoders, many.devices) == (88, 8)


def test_the_documentation_has_the_tables_that_the_tool_prints() -> None:
    text = PERFORMANCE.read_text(encoding="utf-8")
    stated_ms = float(text.split(" ms of feeding a clip")[0].rsplit(" ", 1)[1])
    for line in (*measured_lines(), *server_lines(stated_ms / 1000)):
        assert f"{line}\n" in text
