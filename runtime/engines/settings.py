"""What runs a model, as its user chooses.  Commands that run one have an option for each field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.engines.registry import AUTO, backends_help, open_engine

if TYPE_CHECKING:
    from pptsn.runtime.engines.base import Engine

_PANEL = "Engine"
# Engines start as many as they are asked for, and a million of them take the machine down.
_MOST_THREADS = 1024

DEVICE_HELP = "Where the model runs: auto (a GPU if it works), cpu, cuda, cuda:N, cuda:0,cuda:1 or cuda:all."
THREADS_HELP = "CPU threads; all cores that it may use if not given."
_TUNING_HELP = (
    "ONNX Runtime on a GPU: fast starts at once; full is faster, after 10 to 20 s of preparation; auto takes full "
    "for runs that are worth it, and says so. Other backends have no such choice."
)


def _backend_help() -> str:
    return f"What runs the model: auto, {backends_help()}."


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What runs a model, and where: arguments of `open_engine`, which says what they mean.

    Raises UsageError for a number of threads that makes no sense; `open` for the rest.
    """

    device: str = option(DEVICE_HELP, default=AUTO, panel=_PANEL)
    backend: str = option(_backend_help, default=AUTO, panel=_PANEL)
    threads: int | None = option(THREADS_HELP, default=None, least=1, most=_MOST_THREADS, panel=_PANEL)
    tuning: str = option(_TUNING_HELP, default=AUTO, panel=_PANEL)

    def __post_init__(self) -> None:
        check_ranges(self)

    def open(self, model: str | Path, *, crops: int | None = None) -> Engine:
        """Load `model`; crops and errors are those of `open_engine`."""
        return open_engine(
            model,
            backend=self.backend,
            device=self.device,
            threads=self.threads,
            tuning=self.tuning,
            crops=crops,
        )
