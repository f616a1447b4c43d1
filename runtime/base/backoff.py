"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

# Half the nominal wait at least: what one switch cut off does not come back all at the same moment.
_LEAST_SHARE = 0.5


class Backoff:
    """Waits that grow from `first_s` by `factor` to `cap_s`, each shortened by chance, to no less than half.

    rng: where chance comes from; a Random of its own by default.
    """

    def __init__(
        self,
        *,
        first_s: float = 0.25,
        cap_s: float = 4.0,
        factor: float = 2.0,
        rng: random.Random | None = None,
    ) -> None:
        self._first_s = min(first_s, cap_s)
        self._cap_s = cap_s
        self._factor = factor
        self._rng = rng or random.Random()
        self._nominal_s = self._first_s

    def next_s(self) -> float:
        """Return the seconds to wait before the next try."""
        wait_s = self._nominal_s * self._rng.uniform(_LEAST_SHARE, 1.0)
        # Grown step by step, so that what is away for weeks cannot overflow a power.
        self._nominal_s = min(self._nominal_s * self._factor, self._cap_s)
        return wait_s

    def reset(self) -> None:
        """Begin anew: it works again."""
        self._nominal_s = self._first_s
