"""The command `pptsn weights list`."""

from __future__ import annotations

from pptsn.cli.lines import say


def list_weights() -> None:
    """List the published weights, and those that were fetched.

    Looks at nothing but the folder that keeps them.
    """
    from pptsn.training.downloads.catalogue import PUBLISHED
    from pptsn.training.downloads.store import WeightStore

    store = WeightStore()
    there = {path.name: path for path in store.present() if path.exists()}
    for weights in PUBLISHED:
        path = there.pop(weights.file, None)
        say(f"{weights.name}: {weights.about}")
        say(f"  {weights.url}")
        say(f"  {'not fetched' if path is None else f'{path}, SHA-256 {store.recorded(path)}'}")
    for name, path in there.items():
        say(name)
        say(f"  {path}, SHA-256 {store.recorded(path)}")
