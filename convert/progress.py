"""How long steps tell how far they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

# Called with the steps done and the steps in all.
Progress: TypeAlias = Callable[[int, int], None]
# Opens a progress bar by its title.
Bar: TypeAlias = Callable[[str], AbstractContextManager[Progress]]
