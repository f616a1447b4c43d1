from dataclasses import replace

import pytest

from pptsn.benchmarks import suite
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import gathered
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.suite import Subject, parts_to_run, run_parts
from pptsn.runtime.base.errors import ModelError, UsageError
from tests.models import write_tiny_model

METHOD = Method(repeats=1)


def part(name, error=None):
    def measure(subject, method, tell):
        yield Result(section="live", settings={"part": name})
        if error:
            raise error

    return measure


@pytest.fixture
def subject(tmp_path):
    return Subject(
        model=write_tiny_model(tmp_path / "m.onnx"), int8=None, swept=(), clips="list.txt", folder=tmp_path
    )


def test_parts_run_in_the_order_of_the_suite_each_once(subject):
    assert parts_to_run("sweep, live,sweep", subject) == (["live", "sweep"], [])
    assert parts_to_run(None, subject) == (["scenarios", "live", "stages", "sweep"], [])


@pytest.mark.parametrize("only", ["livee", "", "live,,sweep"])
def test_a_part_that_there_is_not_is_refused_with_those_that_there_are(only, subject):
    with pytest.raises(UsageError, match="scenarios, live, stages, sweep"):
        parts_to_run(only, subject)


def test_a_part_that_cannot_run_is_left_out_with_a_reason_or_refused_where_it_is_named(subject):
    without = replace(subject, clips=None)
    names, remarks = parts_to_run(None, without)
    assert names == ["scenarios", "live", "stages"]
    assert remarks == ["sweep is left out: it takes clips: name them by --list"]
    with pytest.raises(UsageError, match="sweep takes clips"):
        parts_to_run("sweep", without)


def test_a_part_that_fails_keeps_what_it_had_says_why_and_lets_the_others_go_on(monkeypatch, subject):
    monkeypatch.setattr(suite, "PARTS", {"live": part("a", ModelError("m.onnx", "is broken")), "sweep": part("b")})
    told = []
    results = list(run_parts(["live", "sweep"], subject, METHOD, tell=told.append))
    assert [result.settings["part"] for result in results] == ["a", "live", "b"]
    assert [bool(result.error) for result in results] == [False, True, False]
    assert "m.onnx: is broken" in results[1].error
    assert len(told) == 4


def test_a_mistake_in_the_program_is_not_hidden(monkeypatch, subject):
    monkeypatch.setattr(suite, "PARTS", {"live": part("a", TypeError("oops"))})
    with pytest.raises(TypeError):
        list(run_parts(["live"], subject, METHOD))


def test_what_an_engine_raises_while_it_runs_is_the_error_of_its_part(monkeypatch, subject):
    class Fail(Exception):  # noqa: N818 - as ONNX Runtime calls it
        __module__ = "onnxruntime.capi.onnxruntime_pybind11_state"

    monkeypatch.setattr(suite, "PARTS", {"live": part("a", Fail("bad shape\nmore"))})
    (_, result) = run_parts(["live"], subject, METHOD)
    assert "m.onnx: the engine failed while it ran (bad shape)" in result.error


def test_ctrl_c_leaves_what_was_measured(monkeypatch, subject):
    monkeypatch.setattr(suite, "PARTS", {"live": part("a", KeyboardInterrupt())})
    results, ending = gathered(run_parts(["live"], subject, METHOD))
    assert [result.settings["part"] for result in results] == ["a"]
    assert isinstance(ending, KeyboardInterrupt)
