"""That all ranks of a job were started alike."""

from __future__ import annotations

from collections.abc import Mapping

from pptsn.runtime.base.errors import UsageError
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import NEUTRAL_AMONG_RANKS, Recipe, changed_keys, parse_recipe


def require_alike(ranks: Ranks, recipe: Recipe, lists_digest: str) -> None:
    """Raise UsageError, in rank 0, where a rank was started with another recipe or other lists than rank 0."""
    started = ranks.gather({"recipe": recipe.model_dump(mode="json"), "lists": lists_digest})
    with ranks.together():
        if not ranks.is_first:
            return
        for rank, other in enumerate(started):
            theirs = parse_recipe(other["recipe"], source=f"rank {rank}")
            changes = changed_keys(recipe, theirs, neutral=NEUTRAL_AMONG_RANKS)
            if changes:
                cause = f"was started with another recipe than rank 0: {', '.join(changes)}"
                raise UsageError(f"rank {rank}", cause, "start all ranks with one recipe")
            if other["lists"] != lists_digest:
                cause = "has other lists than rank 0"
                raise UsageError(f"rank {rank}", cause, "give all machines the same lists, under the same paths")


def require_same(ranks: Ranks, told: Mapping[str, str | int]) -> None:
    """Raise UsageError, in rank 0, where what `told` names has another value in a rank than in rank 0."""
    found = ranks.gather(dict(told))
    with ranks.together():
        for rank, other in enumerate(found):
            changes = [f"{name} ({told[name]} → {other[name]})" for name in told if other[name] != told[name]]
            if ranks.is_first and changes:
                cause = f"differs from rank 0: {', '.join(changes)}"
                raise UsageError(f"rank {rank}", cause, "start all ranks alike, with the same files")
