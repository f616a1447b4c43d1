"""The command `pptsn weights list`."""

from __future__ import annotations

import typer


def list_weights() -> None:
    """List the published weights, and those that were fetched.

    Looks at nothing but the folder that keeps them.
    """
    from pptsn.runtime.base.errors import spelled
    from pptsn.training.downloads.catalogue import PUBLISHED
    from pptsn.training.downloads.store import WeightStore

    store = WeightStore()
    there = {path.name: path for path in store.present() if path.exists()}
    for weights in PUBLISHED:
        path = there.pop(weights.file, None)
        typer.echo(f"{weights.name}: {weights.about}")
        typer.echo(f"  {weights.url}")
        typer.echo(f"  {'not fetched' if path is None else f'{path}, SHA-256 {store.recorded(path)}'}")
    for name, path in there.items():
        typer.echo(f"{spelled(name)}\n  {spelled(str(path))}, SHA-256 {store.recorded(path)}")
