"""What the suite measures, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.long_clip import long_clip
from runtime.engines import Engine, open_engine

_CLIP_SIZE, _CLIP_SECONDS = (640, 360), 6


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Models, clips, and where they run.

    model: the one to deploy, in FP32 where gains are to be measured.  int8: the same in INT8, or None; where there
    is one, it is what scenarios, live streams and stages run.
    swept: the models of the sweep.  clips: its list, or None for no sweep.  folder: where missing clips are made.
    backend, device, threads: as `open_engine` takes them.
    """

    model: Path
    int8: Path | None
    swept: tuple[Path, ...]
    clips: str | None
    folder: Path
    latency_bound_ms: float = 100.0
    backend: str = "auto"
    device: str = "auto"
    threads: int | None = None

    @property
    def deployed(self) -> Path:
        """The fastest form of the model."""
        return self.int8 or self.model

    def open(self, model: Path) -> Engine:
        """Return `model` as an open engine."""
        return open_engine(model, backend=self.backend, device=self.device, threads=self.threads)

    def clip(self) -> Path:
        """Return the path of a short clip, which is made if it is missing."""
        name = f"{_CLIP_SIZE[0]}x{_CLIP_SIZE[1]}-{_CLIP_SECONDS}s.mp4"
        return long_clip(self.folder / name, size=_CLIP_SIZE, seconds=_CLIP_SECONDS)
