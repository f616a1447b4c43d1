"""The command `pptsn convert check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.lines import say
from pptsn.cli.requirements import require

_SHOWN_FINDINGS = 5
ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The model; its precision is the plan's.")
]


def check(
    model: ModelArgument,
    every: Annotated[bool, typer.Option("--all", help="Show every finding, not the first few of a kind.")] = False,
) -> None:
    """Say what TensorRT would refuse about a model, from its graph alone.

    Every finding has its node and what to do about it.  Exit code 1 where anything would be refused; advice alone
    does not count.

    Example: pptsn convert check output/model.int8.onnx
    """
    require("onnx", "looking into an ONNX file", extra="convert")
    from pptsn.convert.checks import check_file

    findings = check_file(model)
    for kind in dict.fromkeys(finding.rule for finding in findings):
        alike = [finding for finding in findings if finding.rule == kind]
        shown = alike if every else alike[:_SHOWN_FINDINGS]
        for finding in shown:
            say(f"{'refused' if finding.refused else 'advice'}: {finding}")
        if len(shown) < len(alike):
            say(f"... and {len(alike) - len(shown)} more of this kind: --all shows them")
    refused = sum(finding.refused for finding in findings)
    if refused:
        say(f"{model}: TensorRT would refuse it for {refused} fault{'s' * (refused > 1)}", err=True)
        raise typer.Exit(1)
    say(f"{model}: nothing found that TensorRT would refuse")
