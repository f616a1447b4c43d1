"""The command `pptsn weights fetch`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.cli.lines import say

_MB = 1_000_000


def fetch(
    weights: Annotated[
        str, typer.Argument(metavar="NAME|URL", help="A name that `pptsn weights list` shows, or an address.")
    ],
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256", metavar="HEX", help="The checksum that the file must have, whatever is recorded."
        ),
    ] = None,
) -> None:
    """Fetch published weights, or those at an address.

    They are kept in ~/.cache/pptsn/weights ($XDG_CACHE_HOME), and recipes and --weights take them by their name.
    A connection that is cut is taken up where it was, in this run and the next.  The SHA-256 of what came first is
    recorded, and whatever comes later must have it.

    Example: pptsn weights fetch ppTSN_k400
    """
    from pptsn.runtime.base.progress import steps_bar
    from pptsn.training.downloads.catalogue import weights_of
    from pptsn.training.downloads.store import WeightStore

    wanted = weights_of(weights)
    with steps_bar(f"{wanted.file}, MB") as bar:
        got = WeightStore().fetch(
            wanted, sha256=sha256, progress=lambda done, total: bar(done // _MB, max(done, total) // _MB)
        )
    how = "as given" if sha256 else "as recorded" if got.was_known else "recorded now"
    there = ", was there" if got.was_there else ""
    say(f"{got.path}: {got.path.stat().st_size / _MB:.1f} MB, SHA-256 {got.sha256} {how}{there}")
