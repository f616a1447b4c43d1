"""What the lint found in a graph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault, or one piece of advice.

    thing: the node, or the input or tensor where there is no node, as the graph names it.
    cause, remedy: as in pptsn.runtime.base.errors.
    refused: whether TensorRT refuses the model for it, or builds another one than was meant; False for advice.
    rule: the name of the rule that found it; `find_faults` fills it in.
    """

    thing: str
    cause: str
    remedy: str
    refused: bool = True
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.thing}: {self.cause}; {self.remedy}"
