"""What the suite measures, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.benchmarks.measure.long_clip import long_clip
from pptsn.benchmarks.sweep.cells import Cell, cells_of
from pptsn.benchmarks.sweep.clips import Clip, read_clips
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.device import Device
from pptsn.runtime.model.file import ModelFile

_SWEPT_VIEWS, _SWEPT_SEGMENTS, _SWEPT_CLIPS = ("ten", "center"), (1, 2, 4), 100
_CLIP_SIZE, _CLIP_SECONDS = (640, 360), 6


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Models, clips, and where they run.

    model: the one to deploy.  int8: the same in INT8, or None; where there is one, it is what scenarios, live
    streams and stages run.
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

    def cells(self) -> list[Cell]:
        """Return the cells of the sweep; raises UsageError for models that cannot be told apart."""
        return cells_of(
            self.swept, [self.backend], _SWEPT_VIEWS, _SWEPT_SEGMENTS, device=self.device, threads=self.threads
        )

    def swept_clips(self) -> tuple[Clip, ...]:
        """Return the clips of the sweep; raises InputError for a list that cannot be used."""
        return read_clips(self.clips or "", limit=_SWEPT_CLIPS)

    def check(self) -> None:
        """Raise what would make a part fail that is long in coming: missing files, wrong names and numbers."""
        for model in dict.fromkeys((self.model, *([self.int8] if self.int8 else []), *self.swept)):
            if model.suffix.lower() == ".onnx":
                ModelFile.open(model)
            elif not model.is_file():
                raise ModelError(model, "there is no such file", "check the path")
        if self.threads is not None and self.threads < 1:
            raise UsageError("--threads", f"expected at least 1, got {self.threads}")
        if self.device != "auto":
            Device.parse(self.device)
        if self.clips is not None:
            self.cells()
            self.swept_clips()
