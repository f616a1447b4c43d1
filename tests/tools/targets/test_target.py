import pytest

from pptsn.benchmarks.measure.results import Measurement
from tools.targets.target import Target

FAST = Target(name="time_ms", what="a thing", unit="ms", at_most=10)
MUCH = Target(name="gain_times", what="a gain", unit="times", at_least=2)


def measured(value, note=""):
    return Measurement(name="x", unit="ms", better="lower", value=value, note=note)


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [(FAST, 10, True), (FAST, 10.01, False), (MUCH, 2, True), (MUCH, 1.99, False), (FAST, None, False)],
)
def test_a_bound_is_kept_up_to_and_including_itself_and_not_by_what_was_not_measured(target, value, met):
    assert target.is_met_by(value) is met
    assert target.result(measured(value)).facts["met"] is met


def test_a_result_says_the_figure_its_bound_and_whether_it_holds():
    assert FAST.result(measured(12.5)).sentence == "a thing: 12.5 ms, target <= 10 ms: NOT met."
    kept = MUCH.result(measured(3.0), remark="By luck.", settings={"clip": "a.mp4"})
    assert kept.sentence == "a gain: 3 ms, target >= 2 times: met. By luck."
    assert kept.key == "targets target=gain_times clip=a.mp4"


def test_what_was_not_measured_says_why():
    assert "not measured (too few)" in FAST.result(measured(None, "too few")).sentence
    assert FAST.failed("no decoder").error == "no decoder"


def test_the_better_direction_follows_the_bound():
    assert (FAST.better, MUCH.better) == ("lower", "higher")
