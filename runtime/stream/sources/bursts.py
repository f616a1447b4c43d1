"""Live sources that send in bursts, as HLS sends its segments: rates are averages over more than one."""

from __future__ import annotations

from collections import deque

# The longest time that a source may send at once and count as keeping up: HLS has segments of 2 to 20 s.
BURST_S = 30.0


class DueTimes:
    """Tells when each frame of a live source would have come, had it come at its own pace rather than in bursts.

    The frames of a burst are due one after the other, from its arrival on: who takes frames as they are due, on
    the average, keeps up.  A source that sends evenly has its frames due as they arrive.  What the last BURST_S
    seconds say counts, so that one delay in the network is forgotten.
    """

    def __init__(self) -> None:
        self._latest: deque[tuple[int, float]] = (
            deque()
        )  # by how much frames were behind at most, second by second

    def at(self, time_s: float, captured_s: float) -> float:
        """Return when the frame at `time_s` of the session is due, which is when it came, `captured_s`, or later.

        Both in the order of the frames; the latter and the result in seconds of `time.monotonic`.
        """
        second, behind_s = int(captured_s), captured_s - time_s
        if self._latest and self._latest[-1][0] == second:
            behind_s = max(behind_s, self._latest.pop()[1])
        self._latest.append((second, behind_s))
        while self._latest[0][0] < second - BURST_S:
            self._latest.popleft()
        due_s = time_s + max(behind_s for _, behind_s in self._latest)
        return min(due_s, captured_s + BURST_S)
