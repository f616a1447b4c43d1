"""What mixed precision asks of Paddle; on a GPU it was not run."""

from __future__ import annotations

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.learning.precision import Precision
from pptsn.training.network._paddle import paddle
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import train
from tests.training.runs import make_lists, tiny_recipe

LISTS = {"data": {"train": "a", "val": "b"}}


def _recipe(**values: object) -> Recipe:
    return parse_recipe({**LISTS, **values}, source="x")


@pytest.fixture
def casts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What `auto_cast` is asked for, on what says that it is a GPU."""
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.amp, "auto_cast", lambda **options: asked.append(options))
    return asked


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_the_type_reaches_paddle_and_fp16_alone_scales_its_losses(casts, kind: str) -> None:  # type: ignore[no-untyped-def]
    precision = Precision(_recipe(amp=True, amp_type=kind))
    precision.cast()
    assert casts == [{"enable": True, "level": "O1", "dtype": kind}]
    assert (precision.scaler is not None) is (kind == "float16")


def test_without_it_nothing_is_cast_and_nothing_scaled(casts) -> None:  # type: ignore[no-untyped-def]
    precision = Precision(_recipe())
    precision.cast()
    assert casts[0]["enable"] is False
    assert precision.scaler is None


def test_on_a_cpu_it_is_refused_and_leaves_no_folder(tmp_path) -> None:  # type: ignore[no-untyped-def]
    content = tiny_recipe(make_lists(tmp_path)).model_dump()
    with pytest.raises(UsageError, match=r"amp: is for GPUs, .* on a CPU; set amp: false"):
        train(parse_recipe({**content, "amp": True}, source="x"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
