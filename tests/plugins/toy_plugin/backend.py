"""A backend that answers by the crops' mean colour: `--backend toy?gain=2`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import number, option
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.engines import Backend, Choices, Device, Engine, EngineIdentity, Trial
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile


@dataclass(frozen=True)
class ToyOptions:
    """The options of a toy."""

    gain: float = option("what logits are multiplied by", default=1.0, parse=number(0, 100))


class ToyBackend(Backend[ToyOptions]):
    """A backend without a library, for models called .toy, and for others where it is named."""

    help = "models by a toy"
    suffixes = (".toy",)
    options = ToyOptions
    requirements = (Requirement("toy-bricks", "playing", "pip install toy-bricks"),)

    def open(self, path: Path, choices: Choices, options: ToyOptions) -> Engine:
        """Return the engine; raises UsageError for a GPU."""
        if choices.device is not None and choices.device.kind != "cpu":
            raise UsageError("--device", f"{self.name} runs on no GPU", "use --device cpu")
        return ToyEngine(ModelFile.open(path), self.name, options)

    def trials(self) -> tuple[Trial, ...]:
        """Return a trial that succeeds."""
        return (Trial(Device("cpu"), lambda: None),)


class ToyEngine(Engine):
    """Red, green, blue as logits, and zero for what other classes there are."""

    def __init__(self, file: ModelFile, name: str, options: ToyOptions) -> None:
        self.spec = file.spec
        self.batch_size = 5
        self.identity = EngineIdentity(backend=name, version="1.0", precision=file.spec.precision)
        self._gain = options.gain

    def _infer(self, crops: Frame) -> Logits:
        logits = np.zeros((len(crops), self.spec.classes), np.float32)
        logits[:, :3] = crops.mean(axis=(1, 2)) * self._gain / 255
        return logits

    def close(self) -> None:
        """Do nothing: nothing is held."""
