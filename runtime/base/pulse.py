"""Signs of life of what may wait for ever, such as the reading of a file on a disk that hangs.

Who reads beats as it gets on (`beat`); who waits for it asks now and then (`Silence`).  What counts is the time
spent asking, not that of a clock: a program that is stopped for a while (Ctrl-Z) was not silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# What FFmpeg may take to open a file, and to read a packet of it, before it is interrupted in its loops; and a web
# server for its next bytes.
READ_TIMEOUT_S = 30.0
# Longer than that, so that what is interrupted there is told by its own error.
SILENCE_S = 60.0
# How often it is asked.
TICK_S = 1.0
STALLED_REMEDY = "check the disk or network that it is on, and that it is a whole video file"

_beats = 0


def beat() -> None:
    """Tell that this process gets on."""
    global _beats
    _beats += 1


def gave_nothing(seconds: float) -> str:
    """Return what is said of what was silent for so long."""
    return f"gave nothing for {seconds:g} s"


@dataclass
class Silence:
    """For how long nothing has beaten, by those who ask: `tick` after each `TICK_S` of waiting."""

    limit_s: float = SILENCE_S
    _silent_s: float = 0.0
    _heard: int = field(default_factory=lambda: _beats)

    def tick(self, seconds: float) -> bool:
        """Count so many seconds more; return whether it has been silent for too long."""
        self._silent_s = self._silent_s + seconds if _beats == self._heard else 0.0
        self._heard = _beats
        return self._silent_s >= self.limit_s

    def reset(self) -> None:
        """Begin to count anew."""
        self._silent_s = 0.0
