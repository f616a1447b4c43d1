from pptsn.benchmarks.measure.results import Measurement, Result
from tools.targets.gaining import targets_of

SETTINGS = {"model": "m.onnx", "segments": 25, "views": "ten", "clip": "c.avi"}


def rung(part, name, **values):
    measurements = tuple(
        Measurement(name=key, unit="", better="lower", value=value) for key, value in values.items()
    )
    settings = {"part": part, "rung": name, **SETTINGS}
    return Result(section="gains", settings=settings, measurements=measurements)


def test_each_target_takes_the_figure_of_its_rung():
    gains = [
        rung("clip", "plain", clip_ms=1000.0),
        rung("clip", "overlap", clip_ms=800.0, speedup_over_plain_times=1.25),
        rung("clip", "int8", clip_ms=400.0, speedup_over_plain_times=2.5),
        rung("preprocessing", "toolkit", clip_ms=20.0, speedup_over_plain_times=8.0),
        rung("windows", "frame reuse", prediction_ms=40.0, speedup_over_plain_times=24.0),
    ]
    found = {str(result.settings["target"]): result for result in targets_of(gains)}
    values = {name: result.measurements[0].value for name, result in found.items()}
    assert values == {
        "prepare_ms": 20.0,
        "prepare_speedup": 8.0,
        "fp32_speedup": 1.25,
        "int8_speedup": 2.5,
        "windows_speedup": 24.0,
    }
    assert [name for name, result in found.items() if not result.facts["met"]] == ["int8_speedup"]


def test_a_rung_that_was_not_measured_is_an_error_not_a_figure():
    errors = [result.error for result in targets_of([])]
    assert len(errors) == 5
    assert all("have no rung" in error for error in errors)
