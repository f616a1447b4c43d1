"""Whether a run may go on from a checkpoint, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines.paddle.library import arithmetic
from pptsn.training.checkpoint.run_folder import TrainingState
from pptsn.training.data.steps import Steps, plan_steps
from pptsn.training.network._paddle import paddle
from pptsn.training.progress import Display
from pptsn.training.ranks.environment import counted
from pptsn.training.sections import OptimizerSection

# What a run stands on, by the fields of its state: what may be another, and the remedy.
_GROUNDS = {
    "data_digest": ("other training or validation lists", "restore the lists"),
    "teacher_digest": ("another teacher (the SHA-256 of its file differs)", "restore distillation.teacher"),
    "int8_digest": ("another INT8 file (its SHA-256 differs)", "restore model.int8"),
}


def require_resumable(
    state: TrainingState,
    *,
    root: Path,
    digests: Mapping[str, object],
    options: OptimizerSection,
    steps: Steps,
    any_ranks: bool,
    display: Display,
) -> None:
    """Raise UsageError where a run in `root` may not go on from `state`; show what its user should know.

    digests: of what the run stands on now, as `Basis.digests`.
    steps: that the recipe's `options` make of the lists now.
    any_ranks: whether the number of ranks may be another.
    """
    require_same_grounds(state, root=root, digests=digests)
    if state.ranks != steps.ranks and not any_ranks:
        cause = f"was trained by {counted(state.ranks)}, and is to go on by {steps.ranks}"
        remedy = f"start as many, or allow it with --resume-ranks: {_change_of_steps(state, options, steps)}"
        raise UsageError(root, cause, remedy)
    display.line(f"{root}: going on after epoch {state.epoch}")
    if state.ranks != steps.ranks:
        change = f"{counted(steps.ranks)} in place of {state.ranks}"
        display.line(f"{root}: goes on by {change}: {_change_of_steps(state, options, steps)}")
    _compare_arithmetic(state, root, display)


def require_same_grounds(state: TrainingState, *, root: Path, digests: Mapping[str, object]) -> None:
    """Raise UsageError where the run in `root` was started on other files than those of `digests`."""
    for name, (other, remedy) in _GROUNDS.items():
        if getattr(state, name) != digests[name]:
            raise UsageError(root, f"was started with {other}", f"{remedy}, or choose another --output")


def _change_of_steps(state: TrainingState, options: OptimizerSection, steps: Steps) -> str:
    """Return what the number of ranks, which is another than in `state`, makes of a step."""
    before = plan_steps(options, steps.listed, ranks=state.ranks).clips
    if steps.clips == before:
        return f"a step has {steps.clips} clips as before, shared out otherwise"
    return f"a step has {steps.clips} clips in place of {before}"


def _compare_arithmetic(state: TrainingState, root: Path, display: Display) -> None:
    """Say so where the weights cannot be, to the bit, those of a run without interruption."""
    now = arithmetic(paddle)
    changes = [
        f"{name} {state.arithmetic.get(name) or 'unset'} → {now.get(name) or 'unset'}"
        for name in sorted(state.arithmetic.keys() | now.keys())
        if state.arithmetic and state.arithmetic.get(name) != now.get(name)
    ]
    if changes:
        effect = "the last bits of the weights will not be those of a run without interruption"
        display.line(f"{root}: was begun on other terms ({', '.join(changes)}): {effect}")
