"""Packages hidden from a program and the programs that it starts, as if they were not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Python runs this before anything else: whoever looks for a hidden package finds nothing, by `import` and by
# `importlib.util.find_spec` alike.
_SITE = """
import os
import sys

HIDDEN = set(os.environ["HIDDEN_PACKAGES"].split(","))


class Finder:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN or not hasattr(self.finder, "find_spec"):
            return None
        return self.finder.find_spec(name, path, target)


sys.meta_path[:] = [Finder(finder) for finder in sys.meta_path]
"""


def run_without(
    packages: Sequence[str], arguments: Sequence[object], *, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run `pptsn` with `arguments` in `folder`, where none of `packages` can be imported."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    environment = {
        **os.environ,
        "HIDDEN_PACKAGES": ",".join(packages),
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "pptsn", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
