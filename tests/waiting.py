"""Waiting in tests: for a state, never for a time, so that a busy machine changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

# No test takes so long on the busiest machine; one that fails does.
WAIT_S = 60.0
# What is promised within three seconds, on a machine that is not busy.
SOON_S = 8.0
_LOOK_S = 0.01


def wait_until(condition: Callable[[], object], *, within_s: float = WAIT_S) -> None:
    """Return when `condition` holds; fails the test where it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"it did not come true within {within_s:g} s"
        time.sleep(_LOOK_S)
