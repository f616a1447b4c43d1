"""Which convolutions stay in floating point, as the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from pptsn.convert.graph.deployment import NETWORK_PREFIX
from pptsn.convert.int8.structure import Structure
from pptsn.runtime.base.errors import UsageError

_OPTION = "--skip-layers"


@dataclass(frozen=True)
class SkipLayers:
    """names: convolutions by their names in the network; worst: or how many of the most sensitive ones."""

    names: tuple[str, ...] = ()
    worst: int = 0

    @classmethod
    def parse(cls, text: str) -> SkipLayers:
        """Read `auto:K` or `NAME,NAME`, names with or without the prefix that they have in the file.

        Raises UsageError for anything else.
        """
        if text.startswith("auto"):
            count = text.removeprefix("auto").removeprefix(":")
            if not (count.isascii() and count.isdecimal() and int(count[:9]) > 0):
                raise UsageError(_OPTION, f"{text!r} names no number of layers", "as in auto:5")
            return cls(worst=int(count[:9]))
        names = [name.strip().removeprefix(NETWORK_PREFIX) for name in text.split(",")]
        return cls(names=tuple(dict.fromkeys(name for name in names if name)))

    def check(self, network: onnx.ModelProto) -> None:
        """Raise UsageError where a name is no convolution of `network`, or none would be left."""
        convolutions = [node.name for node in Structure(network.graph).convolutions]
        unknown = [name for name in self.names if name not in convolutions]
        if unknown:
            cause = f"the model has no convolution {unknown[0]!r}"
            raise UsageError(_OPTION, cause, f"its names are {convolutions[0]} to {convolutions[-1]}")
        if max(self.worst, len(self.names)) >= len(convolutions):
            raise UsageError(_OPTION, f"leaves none of {len(convolutions)} convolutions", "skip fewer")
