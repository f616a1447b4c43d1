"""What mixed precision asks of Paddle; on a GPU it was not run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.learning.optimizer import RecipeOptimizer, loss_scaler, scaling_state
from pptsn.training.learning.precision import Precision
from pptsn.training.network._paddle import paddle
from pptsn.training.network.weights import state_of
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import train
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")

LISTS = {"data": {"train": "a", "val": "b"}}


def _recipe(**values: object) -> Recipe:
    return parse_recipe({**LISTS, **values}, source="x")


@pytest.fixture
def casts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What `auto_cast` is asked for, on what says that it is a GPU."""
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: True)
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: True)
    monkeypatch.setattr(paddle.amp, "auto_cast", lambda **options: asked.append(options))
    monkeypatch.setattr(sys.modules["paddle.amp.grad_scaler"], "_dygraph_tracer", _tracer)
    return asked


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize(("amp", "level"), [(True, "O1"), ("O1", "O1"), ("O2", "O2")])
def test_level_and_type_reach_paddle_and_fp16_alone_scales_its_losses(casts, amp, level: str, kind: str) -> None:  # type: ignore[no-untyped-def]
    precision = Precision(_recipe(amp=amp, amp_type=kind))
    precision.cast()
    assert casts == [{"enable": True, "level": level, "dtype": kind}]
    assert (precision.scaler is not None) is (kind == "float16")


def test_without_it_nothing_is_cast_and_nothing_scaled(casts) -> None:  # type: ignore[no-untyped-def]
    precision = Precision(_recipe())
    precision.cast()
    assert casts[0]["enable"] is False
    assert precision.scaler is None


@pytest.mark.parametrize("amp", [True, "O1", "O2"])
def test_on_a_cpu_it_is_refused_and_leaves_no_folder(tmp_path, amp) -> None:  # type: ignore[no-untyped-def]
    content = tiny_recipe(make_lists(tmp_path, train=1, val=1)).model_dump()
    with pytest.raises(UsageError, match=r"amp: is for GPUs, .* on a CPU; set amp: false"):
        train(parse_recipe({**content, "amp": amp}, source="x"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("kind", "other"), [("float16", "bfloat16"), ("bfloat16", "float16")])
def test_a_gpu_without_the_type_is_told(casts, monkeypatch: pytest.MonkeyPatch, kind: str, other: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(paddle.amp, f"is_{kind}_supported", lambda: False)
    Precision(_recipe(amp=True, amp_type=other))
    with pytest.raises(UsageError, match=rf"amp_type: is {kind}, which this GPU, .*; choose the other type"):
        Precision(_recipe(amp=True, amp_type=kind))


@pytest.mark.parametrize("amp", ["O3", "o1", 1, "true"])
def test_a_level_that_there_is_not_is_refused(amp: object) -> None:
    with pytest.raises(UsageError, match=r"amp is .*'O1' or 'O2'"):
        _recipe(amp=amp)


def test_the_recipe_that_a_run_keeps_has_the_level() -> None:
    assert _recipe(amp=True) == _recipe(amp="O1")
    assert "amp: O1\n" in _recipe(amp=True).to_yaml()
    assert "amp: false\n" in _recipe(amp=False).to_yaml()


def _tracer() -> Any:
    """What Paddle asks for the device of a step."""
    place = SimpleNamespace(is_gpu_place=lambda: True, is_xpu_place=lambda: False, is_custom_place=lambda: False)
    return SimpleNamespace(_expected_place=place)


@contextmanager
def _casting(**options: object) -> Iterator[None]:
    """Compute as `auto_cast` has it on a GPU, by kernels of a CPU: products of rounded factors, in FP32."""
    kind = str(options["dtype"])
    sys.modules["paddle.amp.auto_cast"].amp_global_state().amp_dtype = kind  # by which the scaler knows the type

    def rounded(x: Any) -> Any:
        return x.astype(kind).astype("float32")

    def convolved(layer: Any, x: Any) -> Any:
        return paddle.nn.functional.conv2d(
            rounded(x), rounded(layer.weight), stride=layer._stride, padding=layer._padding
        )

    def multiplied(layer: Any, x: Any) -> Any:
        return paddle.nn.functional.linear(rounded(x), rounded(layer.weight), rounded(layer.bias))

    with pytest.MonkeyPatch.context() as patch:
        if options["enable"]:
            patch.setattr(paddle.nn.Conv2D, "forward", convolved)
            patch.setattr(paddle.nn.Linear, "forward", multiplied)
        yield


def _momentum(parameter: Any, gradient: Any, velocity: Any, rate: Any, master: Any, *options: Any) -> None:
    """Do the step of Paddle's GPU kernel by that of a CPU: the master in FP32, then the parameter rounded."""
    *rest, multi_precision, rescale = options
    if not multi_precision:
        MOMENTUM(parameter, gradient, velocity, rate, master, *options)
        return
    MOMENTUM(master, gradient.astype("float32"), velocity, rate, None, *rest, False, rescale)
    parameter.set_value(master.astype(parameter.dtype))


MOMENTUM = paddle._C_ops.momentum_


def _unscale(gradients: list[Any], scale: Any, out: list[Any], found: Any) -> None:
    """Do what Paddle's GPU kernel does with gradients in 16 bits, which that of a CPU does not take."""
    for gradient in gradients:
        gradient.set_value((gradient.astype("float32") / scale).astype(gradient.dtype))
    finite = all(bool(paddle.isfinite(gradient.astype("float32")).all()) for gradient in gradients)
    found.set_value(paddle.to_tensor([not finite]))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Paddle's own decorate, optimiser and scaler work as on a GPU; kernels alone are stood in for."""
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    for name in ("is_float16_supported", "is_bfloat16_supported"):
        monkeypatch.setattr(paddle.amp, name, lambda: True)
    for module, names in (
        ("paddle.amp.auto_cast", ("_is_gpu_float16_supported", "_is_gpu_bfloat16_supported")),
        ("paddle.amp.grad_scaler", ()),
    ):
        monkeypatch.setattr(sys.modules[module], "_dygraph_tracer", _tracer)
        for name in names:
            monkeypatch.setattr(sys.modules[module], name, lambda: True)
    monkeypatch.setattr(paddle.amp, "auto_cast", _casting)
    monkeypatch.setattr(paddle._C_ops, "momentum_", _momentum)
    monkeypatch.setattr(paddle._legacy_C_ops, "check_finite_and_unscale", _unscale)


def _o2(lists: Path, kind: str) -> Recipe:
    content = tiny_recipe(lists, epochs=2, ema_decay=0.9 if kind == "float16" else None).model_dump()
    return parse_recipe({**content, "amp": "O2", "amp_type": kind}, source="x")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("kind", ["float16", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_run_in_o2_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    recipe = _o2(make_lists(tmp_path), kind)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=1, step=1)
        with pytest.raises(PptsnError, match="interrupted in epoch 2"):
            train(recipe, tmp_path / "run")
    resumed = train(recipe, tmp_path / "run", resume=True)
    files = {path.name for path in (tmp_path / "whole" / "last").glob("*.pd*")}
    assert len(files) == (3 if kind == "float16" else 2)
    for file in files:
        ended, expected = (read_pickle(result.last_weights.parent / "last" / file) for result in (resumed, whole))
        assert ended.keys() == expected.keys()
        for name, array in expected.items():
            assert array.dtype == np.float32
            assert np.array_equal(ended[name], array), name
    scaling, expected = (
        json.loads((tmp_path / run / "last" / "state.json").read_text())["loss_scaling"]
        for run in ("run", "whole")
    )
    assert scaling == expected
    assert bool(scaling) is (kind == "float16")


@pytest.mark.usefixtures("gpu")
def test_an_overflow_skips_the_step_and_halves_the_scale_and_nothing_is_printed(capfd) -> None:  # type: ignore[no-untyped-def]
    network = paddle.nn.Linear(2, 2)
    optimizer, scaler = RecipeOptimizer(network), loss_scaler()
    optimizer.set_rate(0.1)
    scales, after = [], [state_of(network)["weight"]]
    for gradient in (float("inf"), 1.0, float("nan")):
        network.weight.grad = paddle.full_like(network.weight, gradient)
        optimizer.step(scaler=scaler)
        scales.append(scaling_state(scaler)["scale"])
        after.append(state_of(network)["weight"])
    assert [bool(np.array_equal(*pair)) for pair in pairwise(after)] == [True, False, True]
    assert scales == [2.0**15, 2.0**15, 2.0**14]
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("gpu")
def test_a_training_whose_every_step_overflows_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go on without ever changing a weight, at a loss that is a number."""

    def overflowing(gradients: list[Any], scale: Any, out: list[Any], found: Any) -> None:
        found.set_value(paddle.to_tensor([True]))

    monkeypatch.setattr(paddle._legacy_C_ops, "check_finite_and_unscale", overflowing)
    scaler = paddle.amp.GradScaler(init_loss_scaling=2.0, decr_every_n_nan_or_inf=9)
    monkeypatch.setattr("pptsn.training.learning.precision.loss_scaler", lambda: scaler)
    message = r"^training: diverged in epoch 1, iteration 1: gradients .*; set amp_type: bfloat16, or lower opt"
    with pytest.raises(PptsnError, match=message):
        train(_o2(make_lists(tmp_path), "float16"), tmp_path / "run")
