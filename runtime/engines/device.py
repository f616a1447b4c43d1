"""Where a model runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runtime.errors import UsageError


@dataclass(frozen=True)
class Device:
    """A CPU, or one GPU by its number."""

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Device:
        """Read `cpu`, `cuda` or `cuda:N`; raises UsageError for anything else."""
        match = re.fullmatch(r"(cpu)|cuda(?::(\d+))?", text)
        if match is None:
            raise UsageError("--device", f"unknown device {text!r}", "choose cpu, cuda or cuda:N")
        return cls("cpu") if match[1] else cls("cuda", int(match[2] or 0))

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"cuda:{self.index}"
