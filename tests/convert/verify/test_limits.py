import dataclasses
import re

import pytest

from pptsn.convert.verify.agreement import Agreement
from pptsn.convert.verify.limits import Gates, Limits
from pptsn.runtime.base.errors import UsageError

CLOSE = Agreement(rows=200, max_abs=5e-4, mean_abs=1e-4, top1=0.98, top5=1.0, error_median=0.004, error_worst=0.01)


@pytest.mark.parametrize(
    ("limits", "passing", "failing", "phrase"),
    [
        (Limits(max_abs=1e-3), {"max_abs": 1e-3}, {"max_abs": 1.1e-3}, r"up to 1\.10e-03 .* tolerance 0\.001"),
        (Limits(error_worst=0.02), {"error_worst": 0.02}, {"error_worst": 0.03}, r"reaches 0\.03 .* than 0\.02"),
        (Limits(min_agreement=0.98), {"top1": 0.98}, {"top1": 0.975}, r"97\.50% of 200, less than 98\.00%"),
    ],
)
def test_each_limit_holds_to_its_edge_and_names_figure_and_limit(
    limits: Limits, passing: dict[str, float], failing: dict[str, float], phrase: str
) -> None:
    assert limits.violations(dataclasses.replace(CLOSE, **passing), None) == []
    (violation,) = limits.violations(dataclasses.replace(CLOSE, **failing), None)
    assert re.search(phrase, violation)


def test_a_drop_is_in_points_and_may_be_a_gain() -> None:
    limits = Limits(max_drop=0.5)
    for drop in (None, -3.0, 0.5, 100 * (199 / 200 - 198 / 200)):
        assert limits.violations(CLOSE, drop) == []
    assert limits.violations(CLOSE, 1.0) == ["it loses 1.00 points of top-1, more than 0.5"]


@pytest.mark.parametrize(
    ("spare", "differing", "passes"), [(0, 0, True), (0, 1, False), (1, 1, True), (1, 2, False)]
)
def test_spare_clips_pass_whatever_share_of_few_they_are_and_that_is_said(
    spare: int, differing: int, passes: bool
) -> None:
    limits = Limits(min_agreement=0.98, max_drop=1, spare_clips=spare)
    figures = dataclasses.replace(CLOSE, rows=10, top1=1 - differing / 10)
    violations = limits.violations(figures, 10.0 * differing)
    assert [violation.partition(" ")[0] for violation in violations] == ([] if passes else ["its", "it"])
    assert all(("by more than 1 of 10" in violation) == bool(spare) for violation in violations)
    spared = limits.spared(figures, 10.0 * differing)
    assert len(spared) == (2 if passes and differing else 0)
    assert all("passes by --spare-clips 1" in phrase for phrase in spared)


def test_spare_clips_widen_no_limit_of_many_clips() -> None:
    limits = Limits(min_agreement=0.98, spare_clips=1)
    assert limits.violations(CLOSE, None) == []
    assert limits.spared(CLOSE, None) == []
    assert len(limits.violations(dataclasses.replace(CLOSE, top1=0.975), None)) == 1


@pytest.mark.parametrize("name", ["max_abs", "error_worst", "min_agreement"])
def test_a_figure_that_is_no_number_never_passes(name: str) -> None:
    figure = {"min_agreement": "top1"}.get(name, name)
    broken = dataclasses.replace(CLOSE, **{figure: float("nan")})
    assert len(Limits(**{name: 0.5}).violations(broken, None)) == 1


@pytest.mark.parametrize(
    ("precisions", "on_gpu", "expected"),
    [
        (["fp32", "fp32"], False, Limits(max_abs=1e-3)),
        (["fp32", "fp32"], True, Limits(error_worst=0.02)),
        (["fp16", "fp32"], False, Limits(error_worst=0.02)),
        (["fp32", "int8"], False, Limits(min_agreement=0.98)),
    ],
)
def test_without_gates_the_coarsest_precision_decides(
    precisions: list[str], on_gpu: bool, expected: Limits
) -> None:
    assert Gates().limits(precisions, on_gpu=on_gpu) == expected


def test_gates_replace_the_limits_of_the_precision() -> None:
    assert Gates(max_drop=0.5).limits(["fp32"]) == Limits(max_drop=0.5)
    gates = Gates(tolerance=0.1, min_agreement=0.9)
    assert gates.limits(["int8"]) == Limits(max_abs=0.1, min_agreement=0.9)
    assert Gates(spare_clips=1).limits(["int8"]) == Limits(min_agreement=0.98, spare_clips=1)


@pytest.mark.parametrize("gate", [{"tolerance": -1.0}, {"max_drop": 101.0}, {"min_agreement": 98.0}])
def test_gates_out_of_range_are_refused_by_their_option(gate: dict[str, float]) -> None:
    ((name, value),) = gate.items()
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: expected 0 (to .*|or more), got {value:g}"):
        Gates(**gate)


@pytest.mark.parametrize(
    ("precision", "remedy"),
    [("fp32", "--tolerance"), ("fp16", "deploy it in FP32"), ("int8", "keep more layers in a higher precision")],
)
def test_what_to_do_is_of_the_precision(precision: str, remedy: str) -> None:
    assert remedy in Gates().limits([precision]).remedy()
