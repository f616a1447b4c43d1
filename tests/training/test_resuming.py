"""What is said where a run is to go on by another number of ranks, or with another teacher."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from pptsn.runtime.base.errors import UsageError
from pptsn.training.data.steps import plan_steps
from pptsn.training.progress import Display
from pptsn.training.resuming import require_resumable
from pptsn.training.sections import OptimizerSection
from tests.training.states import state_after


def _said(options: OptimizerSection, *, before: int, now: int, any_ranks: bool, teacher: str = "") -> str:
    shown = io.StringIO()
    require_resumable(
        state_after(1, ranks=before),
        root=Path("run"),
        digests={"data_digest": "d", "teacher_digest": teacher, "int8_digest": ""},
        options=options,
        steps=plan_steps(options, 64, ranks=now),
        any_ranks=any_ranks,
        display=Display(Console(file=shown, width=200)),
    )
    return shown.getvalue()


@pytest.mark.parametrize(
    ("clips_per_step", "now", "change"),
    [
        (None, 1, "a step has 4 clips in place of 8"),
        (None, 4, "a step has 16 clips in place of 8"),
        (16, 1, "a step has 16 clips as before, shared out otherwise"),
    ],
)
def test_another_number_of_ranks_is_told_by_what_it_makes_of_a_step(
    clips_per_step: int | None, now: int, change: str
) -> None:
    options = OptimizerSection(batch_size=4, clips_per_step=clips_per_step)
    with pytest.raises(UsageError, match=rf"by 2 ranks, and is to go on by {now}; .* --resume-ranks: {change}$"):
        _said(options, before=2, now=now, any_ranks=False)
    assert _said(options, before=2, now=now, any_ranks=True).endswith(f" in place of 2: {change}\n")


def test_with_another_teacher_none_goes_on() -> None:
    with pytest.raises(UsageError, match=r"^run: was started with another teacher .*; restore"):
        _said(OptimizerSection(batch_size=4), before=2, now=2, any_ranks=False, teacher="t")


def test_of_as_many_ranks_nothing_is_said() -> None:
    said = _said(OptimizerSection(batch_size=4), before=2, now=2, any_ranks=False)
    assert said == "run: going on after epoch 1\n"
