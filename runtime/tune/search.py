"""Trying what runs a model here: backends, batch sizes, threads; and which of it is fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.engines.base import Engine
from pptsn.runtime.engines.device import DeviceError
from pptsn.runtime.engines.registry import AUTO, BACKENDS, backend_runs, open_engine
from pptsn.runtime.engines.tuned import Measured, Setting
from pptsn.runtime.tune.measuring import CROPS_OF_A_LONG_RUN, Clock, crops_per_second

# Beside what an engine takes by itself; one that would take longer than this share of all the time is not tried.
_BATCHES = (5, 10, 25, 64, 125)
_LONGEST_SHARE = 0.05
# For how much of the time settings are tried once; what is left is for the fastest, in turn, as a busy moment may
# have hit one of them: of each backend these many.
_TRYING_SHARE = 0.6
_FINALISTS, _ROUNDS = 2, 3
# Of two as fast as that the one with smaller batches is taken: it needs less memory, and answers sooner.
_AS_FAST = 0.98

Opener = Callable[..., Engine]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Tries settings for the model at `path` for about `seconds`.

    device: as `open_engine` takes it.  tried: is called with each attempt as it ends; unusable: with the name and
    error of a backend that cannot be used.  opener, clock: for tests.
    """

    path: Path
    seconds: float
    device: str = AUTO
    tried: Callable[[Measured], object] = lambda _: None
    unusable: Callable[[str, PptsnError], object] = lambda *_: None
    opener: Opener = open_engine
    clock: Clock = time.perf_counter

    def fastest(self) -> tuple[Measured, ...]:
        """Return the fastest setting of each backend, the fastest of all first, with what each reached in the end.

        Raises the first backend's error where none can be used.
        """
        backends = candidates(self.path)
        fewer = fewer_threads()
        share_s = _TRYING_SHARE * self.seconds / (len(backends) * (1 + len(_BATCHES)) + len(fewer))
        attempts: list[Measured] = []
        failures: list[PptsnError] = []
        for backend in backends:
            try:
                attempts += self._try_batches(backend, share_s)
            except PptsnError as error:
                failures.append(error)
                self.unusable(backend, error)
        if not attempts:
            raise failures[0]
        best = max(attempts, key=_rate)
        if best.setting.device == "cpu":
            attempts += [self._try(replace(best.setting, threads=threads), share_s) for threads in fewer]
        again = self._measured_again([each for group in _by_backend(attempts) for each in _finalists(group)])
        return tuple(sorted(map(_best_of, _by_backend(again)), key=_rate, reverse=True))

    def _open(self, backend: str, device: str, threads: int | None) -> tuple[Engine, float]:
        """Return the engine, and how long its opening took."""
        started_s = self.clock()
        engine = self.opener(self.path, backend=backend, device=device, threads=threads, crops=CROPS_OF_A_LONG_RUN)
        return engine, self.clock() - started_s

    def _try_batches(self, backend: str, share_s: float) -> list[Measured]:
        """Try a backend on all cores, with its own batch size and with others."""
        engine, opening_s = self._open(backend, self.device, None)
        found: list[Measured] = []
        with engine:
            setting = Setting(
                backend=backend, device=engine.identity.device, threads=None, batch_size=engine.batch_size
            )
            for size in (engine.batch_size, *(size for size in _BATCHES if size != engine.batch_size)):
                if not self._is_worth_trying(engine, size, found):
                    continue
                try:
                    rate = self._rate(engine, size, share_s)
                except DeviceError:  # no memory for as many
                    break
                found.append(
                    Measured(setting=replace(setting, batch_size=size), crops_per_s=rate, opening_s=opening_s)
                )
                self.tried(found[-1])
        return found

    def _is_worth_trying(self, engine: Engine, size: int, found: Sequence[Measured]) -> bool:
        if engine.largest_batch is not None and size > engine.largest_batch:
            return False
        return not found or size / max(map(_rate, found)) <= _LONGEST_SHARE * self.seconds

    def _try(self, setting: Setting, share_s: float) -> Measured:
        engine, opening_s = self._open(setting.backend, setting.device, setting.threads)
        with engine:
            rate = self._rate(engine, setting.batch_size, share_s)
        attempt = Measured(setting=setting, crops_per_s=rate, opening_s=opening_s)
        self.tried(attempt)
        return attempt

    def _measured_again(self, finalists: Sequence[Measured]) -> list[Measured]:
        """Measure the finalists in turn; return each with the best that it reached: others only slow it down."""
        share_s = (1 - _TRYING_SHARE) * self.seconds / (len(finalists) * _ROUNDS)
        rates: list[list[float]] = [[] for _ in finalists]
        with ExitStack() as stack:
            engines: dict[tuple[str, int | None], Engine] = {}
            for each in finalists:
                backend, device, threads = each.setting.backend, each.setting.device, each.setting.threads
                if (backend, threads) not in engines:
                    engine, _ = self._open(backend, device, threads)
                    engines[backend, threads] = stack.enter_context(engine)
            for _ in range(_ROUNDS):
                for each, found in zip(finalists, rates, strict=True):
                    engine = engines[each.setting.backend, each.setting.threads]
                    found.append(self._rate(engine, each.setting.batch_size, share_s))
        return [replace(each, crops_per_s=max(found)) for each, found in zip(finalists, rates, strict=True)]

    def _rate(self, engine: Engine, batch_size: int, seconds: float) -> float:
        return crops_per_second(engine, batch_size, seconds=seconds, clock=self.clock)


def candidates(path: Path) -> list[str]:
    """Return the names of the backends that run the file at `path` and open it within seconds."""
    names = [name for name in BACKENDS.names if name in BACKENDS.usable()]
    return [name for name in names if backend_runs(name, path) and not BACKENDS.instance(name).opens_slowly]


def fewer_threads() -> list[int]:
    """Return numbers of CPU threads below that of the cores that are worth a try: half of them, one less."""
    cores = available_cores()
    return sorted({count for count in (cores // 2, cores - 1) if 0 < count < cores})


def _rate(attempt: Measured) -> float:
    return attempt.crops_per_s


def _by_backend(attempts: Sequence[Measured]) -> list[list[Measured]]:
    """Return the attempts of each backend, the fastest first."""
    groups: dict[str, list[Measured]] = {}
    for attempt in sorted(attempts, key=_rate, reverse=True):
        groups.setdefault(attempt.setting.backend, []).append(attempt)
    return list(groups.values())


def _finalists(group: Sequence[Measured]) -> list[Measured]:
    return list(dict.fromkeys((_best_of(group), *group)))[:_FINALISTS]


def _best_of(group: Sequence[Measured]) -> Measured:
    """Return the fastest, or, of two as fast, the one with smaller batches."""
    close = [each for each in group if each.crops_per_s >= _AS_FAST * _rate(group[0])]
    return min(close, key=lambda each: each.setting.batch_size)
