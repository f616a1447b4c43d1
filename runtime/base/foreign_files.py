"""Where other libraries may write: what they keep without being asked goes to this toolkit's folders, or away."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.caches import cache_folder
from pptsn.runtime.base.temporary import temporary_folder

# ONNX Runtime writes an identifier into the folder of caches, and sends events ten seconds later, unless this is
# set before its import: `disable_telemetry_events` is too late for both.
WITHOUT_TELEMETRY: Mapping[str, str] = {"ORT_DISABLE_TELEMETRY": "1"}


@contextmanager
def passing_home() -> Iterator[None]:
    """Give the block a temporary home, as `home_at` does."""
    with temporary_folder() as home, home_at(home):
        yield


@contextmanager
def home_at(folder: Path) -> Iterator[None]:
    """Make `folder` the home in the block, for a library that has no other setting for where it writes.

    It is the whole process's: no other thread should look for its home meanwhile.
    """
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before


def keep_matplotlib_here() -> None:
    """Have Matplotlib, before its import, keep its fonts' list in this toolkit's folder, unless told."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder("matplotlib")))
