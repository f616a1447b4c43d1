from __future__ import annotations

import threading

import numpy as np
import pytest

from pptsn.runtime.stream.actions.messages import STAGES, Stages
from pptsn.runtime.stream.health.latency import LatencyMeter, RateMeter
from tests.clocks import Clock


def stages_of(*took_ms: float) -> Stages:
    """Return stages that took these milliseconds."""
    times = np.cumsum([500.0, *(ms / 1000 for ms in took_ms)])
    return Stages(*map(float, times))


def test_an_empty_meter_tells_nothing() -> None:
    meter = LatencyMeter()
    assert meter.recent() == meter.overall() == {}


def test_every_stage_has_its_own_percentiles() -> None:
    meter = LatencyMeter()
    meter.add(stages_of(1, 20, 300, 4))
    found = meter.overall()
    assert tuple(found) == STAGES
    for stage, expected in zip(STAGES, (1, 20, 300, 4, 325), strict=True):
        assert found[stage].p50 == found[stage].p99 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("spread", [0.1, 2.0])
def test_percentiles_are_within_two_percent(spread: float) -> None:
    rng = np.random.default_rng(5)
    values_ms = np.exp(rng.normal(3.0, spread, 5000)).clip(1, 1e5)
    meter = LatencyMeter()
    for value in values_ms:
        meter.add(stages_of(value, 0, 0, 0))
    for found in (meter.overall()["decode"], meter.recent()["decode"]):
        for share, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
            expected = float(np.quantile(values_ms, share, method="inverted_cdf"))
            assert value == pytest.approx(expected, rel=0.021)  # 0.005 ms of it from rounding


def test_latencies_out_of_all_range_are_counted_at_its_ends() -> None:
    meter = LatencyMeter()
    meter.add(stages_of(0, 1e9, -5, 0))
    found = meter.overall()
    assert found["decode"].p50 == found["inference"].p50 == 0
    assert found["queue"].p50 == pytest.approx(1e6, rel=0.05)


def test_what_is_older_than_about_a_minute_is_no_longer_recent() -> None:
    clock = Clock(1000.3)
    meter = LatencyMeter(clock=clock)
    meter.add(stages_of(5, 5, 5, 5))
    clock.now_s += 55
    meter.add(stages_of(50, 50, 50, 50))
    assert meter.recent()["queue"].p50 == pytest.approx(5, rel=0.02)
    clock.now_s += 20
    assert meter.recent()["queue"].p50 == pytest.approx(50, rel=0.02)
    clock.now_s += 1e6
    assert meter.recent() == {}
    assert meter.overall()["queue"].p50 == pytest.approx(5, rel=0.02)


def test_slices_are_used_again() -> None:
    clock = Clock(1000.3)
    meter = LatencyMeter(clock=clock)
    for second in range(300):
        clock.now_s += 1
        meter.add(stages_of(1 + second, 0, 0, 0))
    assert 235 <= meter.recent()["decode"].p50 <= 275


def test_threads_may_add_and_read_at_once() -> None:
    meter = LatencyMeter()
    rate = RateMeter(window_s=60)

    def work() -> None:
        for _ in range(500):
            meter.add(stages_of(1, 2, 3, 4))
            rate.add()
            meter.recent()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert int(meter._overall.sum()) == 4 * 500 * len(STAGES)
    assert sum(rate._counts) == 2000


def test_a_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock(1000.3)
    meter = RateMeter(window_s=5, clock=clock)
    assert meter.rate() == 0
    for _ in range(300):
        clock.now_s += 0.04
        meter.add()
    assert meter.rate() == pytest.approx(25, rel=0.03)
    for _ in range(60):
        clock.now_s += 0.1
        meter.add(2)
    assert meter.rate() == pytest.approx(20, rel=0.05)
    clock.now_s += 6
    assert meter.rate() == 0


def test_a_rate_is_right_soon_after_the_first_moments_and_never_too_high() -> None:
    clock = Clock(1000.3)
    meter = RateMeter(window_s=5, clock=clock)
    rates = []
    for _ in range(30):
        meter.add()
        rates.append(meter.rate())
        clock.now_s += 0.04
    assert max(rates) <= 28
    assert rates[-1] == pytest.approx(25, rel=0.1)
