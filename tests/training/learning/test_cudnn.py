"""cuDNN's settings: what is asked of Paddle, and with CUDA, whose flags a CPU's Paddle lacks, what it has then."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pptsn.runtime.base.errors import UsageError
from pptsn.training.learning.cudnn import set_cudnn
from pptsn.training.learning.learner import Learner
from pptsn.training.network._paddle import paddle
from pptsn.training.progress import Display
from pptsn.training.recipe import changed_keys, parse_recipe
from pptsn.training.sections import CudnnSection
from pptsn.training.trainer import train
from tests.training.runs import make_lists, tiny_recipe

PUBLISHED = {
    "FLAGS_conv_workspace_size_limit": 800,
    "FLAGS_cudnn_exhaustive_search": True,
    "FLAGS_cudnn_batchnorm_spatial_persistent": True,
}
OTHERS = CudnnSection(workspace_mb=64, exhaustive_search=False, persistent_batch_norm=False)


class _Told(Display):
    """A display whose lines are read."""

    def __init__(self) -> None:
        self._shown = io.StringIO()
        super().__init__(Console(file=self._shown, width=200))

    @property
    def lines(self) -> list[str]:
        return self._shown.getvalue().splitlines()


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The flags of a Paddle with CUDA, as Paddle has them from the start."""
    held = {"FLAGS_conv_workspace_size_limit": 512, **dict.fromkeys([*PUBLISHED][1:], False)}

    def set_flags(asked: Mapping[str, Any]) -> None:
        for name, value in asked.items():
            if name not in held:
                raise ValueError(f"Flag {name} cannot set its value through this function.")
            held[name] = value

    monkeypatch.setattr(paddle, "set_flags", set_flags)
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
    return held


def test_the_defaults_are_the_published_ones(flags: dict[str, Any]) -> None:
    told = _Told()
    set_cudnn(CudnnSection(), told)
    assert flags == PUBLISHED
    set_cudnn(OTHERS, told)
    assert [*flags.values()] == [64, False, False]
    assert told.lines == []


@pytest.mark.parametrize("lacking", [0, 1, 2, 3])
def test_a_flag_that_paddle_lacks_is_told_and_the_others_are_set(flags: dict[str, Any], lacking: int) -> None:
    names = [*PUBLISHED]
    for name in names[:lacking]:
        del flags[name]
    told = _Told()
    set_cudnn(CudnnSection(), told)
    assert flags == {name: PUBLISHED[name] for name in names[lacking:]}
    assert [line.rpartition("has no ")[2] for line in told.lines] == names[:lacking]
    assert all(line.startswith("cudnn.") for line in told.lines)


@pytest.mark.usefixtures("narrow")
def test_a_training_sets_them_before_its_first_step(
    tmp_path: Path, flags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def first(*_: object, **__: object) -> float:
        seen.append(dict(flags))
        raise UsageError("a step", "is as far as this goes")

    monkeypatch.setattr(Learner, "add", first)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    with pytest.raises(UsageError, match="as far as this goes"):
        train(tiny_recipe(make_lists(tmp_path, train=4)), tmp_path / "run")
    assert seen == [PUBLISHED]


@pytest.mark.skipif(not paddle.device.is_compiled_with_cuda(), reason="this Paddle has no CUDA, so no such flags")
def test_paddle_has_them_then() -> None:
    before = paddle.get_flags([*PUBLISHED])
    try:
        for options in (OTHERS, CudnnSection()):
            set_cudnn(options, Display())
        assert paddle.get_flags([*PUBLISHED]) == PUBLISHED
    finally:
        paddle.set_flags(before)


@pytest.mark.skipif(paddle.device.is_compiled_with_cuda(), reason="this Paddle has CUDA, and so the flags")
def test_without_cuda_they_are_no_error_and_nothing_is_told() -> None:
    told = _Told()
    set_cudnn(OTHERS, told)
    assert told.lines == []


def test_a_run_goes_on_with_others(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    assert changed_keys(recipe, recipe.model_copy(update={"cudnn": OTHERS})) == []


@pytest.mark.parametrize("wrong", [{"workspace_mb": 0}, {"exhaustive_search": 2}, {"workspace": 1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"cudnn\."):
        parse_recipe({"data": {"train": "a", "val": "b"}, "cudnn": wrong}, source="x")
