"""How many processes should decode beside an engine: a folder of clips, classified with one number or another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.tune.measuring import Clock
from pptsn.runtime.video.drawn import FPS, Scene, write_drawn

# The clip that is drawn where none is given is like those of Kinetics: as large, and as long.
_SIZE, _FRAMES = (340, 256), 10 * FPS
# How often each number is tried at most, and at least, in turn with the others: a busy moment may hit one of them.
_ROUNDS, _LEAST_ROUNDS = 3, 2
# Of fewer clips the beginning and the end would count more than the middle.
_LEAST_CLIPS = 2
# An engine that has so much of its own rate is fed: more decoders would take more than they bring.
_FED = 0.95
# Of two as fast as that the fewer are taken: they need less memory.
_AS_FAST = 0.97


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """How many clips of a folder a second are classified with so many decoders."""

    decoders: int
    clips_per_s: float


@dataclass(frozen=True, kw_only=True)
class DecoderSearch:
    """Tries numbers of decoders for about `seconds`.

    folder: has so many clips classified with so many decoders, and returns how many seconds that took.
    engine_clips_per_s: what the engine does where nothing has to be decoded.  clock: for tests.
    """

    folder: Callable[[int, int], float]
    engine_clips_per_s: float
    seconds: float
    clock: Clock = time.perf_counter

    def tried(self) -> list[Throughput]:
        """Return what was reached with each number of decoders, from none on until the engine is fed."""
        counts = numbers_of_decoders()
        share_s = self.seconds / (len(counts) * _ROUNDS)
        started_s = self.clock()
        rates: dict[int, list[float]] = {}
        for count in counts:
            rates[count] = [self._rate(count, share_s)]
            if rates[count][0] >= _FED * self.engine_clips_per_s:
                break
        for done in range(1, _ROUNDS):
            if len(rates) == 1 or (done >= _LEAST_ROUNDS and self.clock() - started_s >= self.seconds):
                break
            for count, found in rates.items():
                found.append(self._rate(count, share_s))
        # The best of each: what others take of the machine only ever makes it slower.
        return [Throughput(decoders=count, clips_per_s=max(found)) for count, found in rates.items()]

    def _rate(self, decoders: int, share_s: float) -> float:
        clips = max(_LEAST_CLIPS, decoders, round(share_s * self.engine_clips_per_s))
        return clips / self.folder(clips, decoders)


def fewest_of_the_fastest(tried: list[Throughput]) -> Throughput:
    """Return the fewest decoders of those that are as fast as the fastest."""
    fastest = max(each.clips_per_s for each in tried)
    close = [each for each in tried if each.clips_per_s >= _AS_FAST * fastest]
    return min(close, key=lambda each: each.decoders)


def numbers_of_decoders() -> list[int]:
    """Return the numbers of decoders that are worth a try: none, powers of two, one for each core."""
    cores = available_cores()
    return [0, *(1 << power for power in range(cores.bit_length()) if 1 << power < cores), cores]


def seconds_for_folder(
    recognizer: Recognizer,
    clip: Path,
    protocol: Protocol,
    *,
    decoders: int,
    clips: int,
    clock: Clock = time.perf_counter,
) -> float:
    """Return how long a folder of so many times the same clip takes, from when the first decoder is there.

    Raises the clip's error where it cannot be read.
    """
    begun_s: list[float] = []

    def sources() -> Iterator[Path]:
        begun_s.append(clock())
        for _ in range(clips):
            yield clip

    for result in recognizer.classify_many(
        sources(),
        segments=protocol.segments,
        views=protocol.views,
        sampling=protocol.sampling,
        decoders=decoders,
    ):
        if isinstance(result, Failure):
            raise result.error
    return clock() - begun_s[0]


def write_clip(path: Path) -> Path:
    """Write a clip to try decoders with to `path`, and return that."""
    scene = Scene(*_SIZE)
    write_drawn(path, map(scene.picture, range(_FRAMES)), _SIZE)
    return path
