"""The command `pptsn doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say what is installed, which engines and devices work, and what to install for the rest."""
    from rich.console import Console

    from pptsn.runtime.doctor import examine, render

    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
    else:
        render(findings, Console(highlight=False))
