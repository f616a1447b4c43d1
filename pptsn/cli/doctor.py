"""The command `pptsn doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pptsn.cli.lines import say


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say what is installed, which engines and devices work, and what to install for the rest."""
    from pptsn.runtime.base.progress import LineConsole
    from pptsn.runtime.doctor import examine, render

    findings = examine()
    if as_json:
        for line in json.dumps(findings, indent=1).split("\n"):
            say(line)
    else:
        render(findings, LineConsole(highlight=False))
