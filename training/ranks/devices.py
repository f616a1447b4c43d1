"""What `--devices` names: the cards, or the processors, on which the ranks of a job work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError

# More ranks on the processors of one machine are a slip of the keyboard.
_MOST_ON_PROCESSORS = 256
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_EXPECTED = "expected cards by their numbers (0,1,2), or cpu:N"


@dataclass(frozen=True)
class Devices:
    """One rank a card, or `processors` ranks on the processors.

    cards: as `cuda:N` counts them, of those that CUDA_VISIBLE_DEVICES leaves; empty for processors.
    """

    cards: tuple[int, ...] = ()
    processors: int = 0

    @property
    def count(self) -> int:
        """How many ranks that are."""
        return len(self.cards) or self.processors

    def launcher_options(self, environment: Mapping[str, str] = os.environ) -> list[str]:
        """Return what Paddle's launcher is to be told: it calls cards by what CUDA_VISIBLE_DEVICES calls them."""
        if not self.cards:
            return ["--nproc_per_node", str(self.processors)]
        visible = environment.get(_VISIBLE, "all")
        names = [] if visible == "all" else visible.split(",")
        return ["--gpus", ",".join(names[card] if names else str(card) for card in self.cards)]

    def launcher_environment(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return `environment` for Paddle's launcher, without what an outer launcher would have its ranks be."""
        ours = {name: value for name, value in environment.items() if not name.startswith(("PADDLE_", "MASTER_"))}
        if not self.cards:
            # The launcher gives each rank one of the cards that it sees, and fails where these are too few.
            ours |= {"PADDLE_DISTRI_BACKEND": "gloo", _VISIBLE: ",".join(["-1"] * self.processors)}
        return ours

    def require_there(self, device: str) -> None:
        """See that ranks can work here where the recipe's device is `device`: auto, cpu, cuda or cuda:N.

        Raises UsageError where it is another than these, MissingDependencyError for cards that are not there.
        """
        wanted = "cuda" if self.cards else "cpu"
        if device not in ("auto", wanted):
            what = "cards" if self.cards else "processors"
            cause = f"names {what}, and the device is {device}"
            raise UsageError("--devices", cause, f"use device={wanted}, or auto")
        if self.cards:
            from pptsn.training.network._paddle import found_device

            found_device(f"cuda:{max(self.cards)}")


def read_devices(text: str) -> Devices:
    """Return what `text` (0,1,... or cpu:N) names; raises UsageError for what makes no sense."""
    kind, colon, number = text.strip().partition(":")
    if kind == "cpu" and colon:
        count = _whole(number)
        if count is None or not 1 <= count <= _MOST_ON_PROCESSORS:
            raise _no_sense(text, f"expected cpu:N with an N of 1 to {_MOST_ON_PROCESSORS}")
        return Devices(processors=count)
    cards = [_whole(part) for part in text.split(",")]
    named = tuple(card for card in cards if card is not None)
    if len(named) < len(cards):
        raise _no_sense(text, _EXPECTED)
    if len(set(named)) < len(named):
        raise _no_sense(text, "expected each card once")
    return Devices(cards=named)


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else None


def _no_sense(text: str, expected: str) -> UsageError:
    return UsageError("--devices", f"is {text!r}, {expected}")
