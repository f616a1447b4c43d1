import pytest

from benchmarks.method import Method
from benchmarks.results import Result
from benchmarks.suite import running
from benchmarks.suite.running import check_parts, run_parts
from runtime.errors import ModelError, UsageError

METHOD = Method(repeats=1)


def part(name, error=None):
    def measure(subject, method):
        yield Result(section="live", settings={"part": name})
        if error:
            raise error

    return measure


def test_parts_run_in_the_order_of_the_suite_each_once():
    assert check_parts(["sweep", "live", "sweep"]) == ["live", "sweep"]


@pytest.mark.parametrize("names", [["livee"], [""], []])
def test_a_part_that_there_is_not_is_refused_with_those_that_there_are(names):
    with pytest.raises(UsageError, match="scenarios, live, stages, gains, sweep"):
        check_parts(names)


def test_a_part_that_fails_keeps_what_it_had_says_why_and_lets_the_others_go_on(monkeypatch):
    monkeypatch.setattr(
        running, "PARTS", {"live": part("a", ModelError("m.onnx", "is broken")), "sweep": part("b")}
    )
    told = []
    results = list(run_parts(["live", "sweep"], None, METHOD, tell=told.append))
    assert [result.settings["part"] for result in results] == ["a", "live", "b"]
    assert [bool(result.error) for result in results] == [False, True, False]
    assert "m.onnx: is broken" in results[1].error
    assert len(told) == 4


def test_a_mistake_in_the_program_is_not_hidden(monkeypatch):
    monkeypatch.setattr(running, "PARTS", {"live": part("a", TypeError("oops"))})
    with pytest.raises(TypeError):
        list(run_parts(["live"], None, METHOD))
