"""How an epoch over a list is cut into steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.training.sections import OptimizerSection


@dataclass(frozen=True)
class Steps:
    """What a step takes, and how many make an epoch.

    listed: clips of the training list.  batch_size: clips that each rank's network sees at once.
    batches: of each rank, whose gradients are added up for a step.  ranks: how many there are.
    """

    listed: int
    batch_size: int
    batches: int
    ranks: int = 1

    @property
    def clips(self) -> int:
        """How many clips a step sees, of all ranks together."""
        return self.batch_size * self.batches * self.ranks

    @property
    def per_epoch(self) -> int:
        """How many steps an epoch has; what does not fill one is left out."""
        return self.listed // self.clips

    def line(self, asked: OptimizerSection) -> str:
        """Return what a user should know of it, in a line; `asked` is what the recipe says."""
        steps = f"{self.per_epoch} step{'s' if self.per_epoch > 1 else ''} of {self.clips} an epoch"
        text = f"{self.listed} clips to train on: {steps}"
        wanted = asked.batch_size * asked.batches_per_step(self.ranks) * self.ranks
        if wanted > self.clips:
            text += f", as they are fewer than the {wanted} a step of the recipe"
        if rest := self.listed - self.per_epoch * self.clips:
            text += f"; {rest} {'is' if rest == 1 else 'are'} left out of each epoch, drawn anew"
        return text


def plan_steps(options: OptimizerSection, clips: int, *, ranks: int = 1) -> Steps:
    """Return the steps of an epoch over `clips`, as the recipe asks for them.

    A list that does not fill one step makes a smaller one: of fewer batches, and where it does not fill one batch
    a rank, of smaller ones.
    Raises UsageError for a list with fewer clips than ranks, and what `batches_per_step` raises.
    """
    batch_size = min(options.batch_size, clips // ranks)
    if not batch_size:
        raise UsageError("training list", f"has {clips} clips for {ranks} ranks", "start fewer ranks")
    batches = min(options.batches_per_step(ranks), clips // (batch_size * ranks))
    return Steps(clips, batch_size, batches, ranks)


def unfilled(options: OptimizerSection, listed: Path) -> UsageError:
    """Return the error of a training list, the file `listed`, whose readable clips fill no step."""
    cause = "has fewer readable clips than one step takes"
    keys = ("clips_per_step",) if options.clips_per_step else ("batch_size", "accumulate")
    lower = " or ".join(f"optimizer.{key}" for key in keys)
    return UsageError(listed, cause, f"repair it, as `pptsn data check` tells, or lower {lower}")
