"""Paddle's launcher as a program that leaves nothing in the home: a folder, then the launcher's own arguments."""

from __future__ import annotations

import sys
from pathlib import Path

from pptsn.runtime.engines.paddle.library import import_launcher


def main() -> None:
    """Launch what the arguments say; Paddle's import writes into the folder that the first one is."""
    import_launcher(Path(sys.argv.pop(1)))()
