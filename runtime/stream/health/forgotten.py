"""What is left of streams that ended so long ago that nobody remembers them one by one: their sums."""

from __future__ import annotations

from dataclasses import replace

from pptsn.runtime.stream.health.snapshots import StreamHealth

_SUMS = (
    *("decoded", "sampled", "inferred", "dropped", "decode_errors"),
    *("predictions", "stale", "events", "resets", "reconnects", "losses"),
)


class Forgotten:
    """Adds streams up, for who asks what there was in the whole run; for one thread at a time."""

    def __init__(self) -> None:
        self._count = self._failed = 0
        self._sum = StreamHealth("", "", "ended")

    def add(self, stream: StreamHealth) -> None:
        """Add a stream that is over."""
        self._count += 1
        self._failed += stream.state == "failed"
        sums = {name: getattr(self._sum, name) + getattr(stream, name) for name in _SUMS}
        self._sum = replace(
            self._sum,
            highest_score=max(self._sum.highest_score, stream.highest_score),
            loss=self._sum.loss or (f"{stream.name}: {stream.loss}" if stream.losses else ""),
            **sums,
        )

    def health(self) -> tuple[StreamHealth, ...]:
        """Return them as one, called by their number, or nothing where there are none."""
        if not self._count:
            return ()
        name = "1 other" if self._count == 1 else f"{self._count} others"
        return (replace(self._sum, name=name, detail=f"{self._failed} failed" if self._failed else ""),)
