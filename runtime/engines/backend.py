"""What a backend is: a name for `--backend`, the files that it runs, what it needs, and how it opens a model.

Another package adds one by an entry point in the group `pptsn.backends` that leads to a subclass of `Backend`; the
entry point's name is the backend's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.tuning import FAST

if TYPE_CHECKING:
    from pptsn.runtime.engines.base import Engine

Options = TypeVar("Options")


@dataclass(frozen=True)
class NoOptions:
    """The options of a backend that has none."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a model is to run, as far as any backend can tell.

    device: None for the best that works here.
    threads: CPU threads; None for all cores that this process may use.
    optimise: False runs a graph as it is written, where the backend would rewrite it.
    tuning: FAST or FULL of `pptsn.runtime.engines.tuning`: whether the engine may take long to start in order to
        be faster afterwards.  A backend that has no such choice leaves it alone.
    crops: about how many are to be inferred until it is closed; None where nobody knows, as of a stream.
    """

    device: Device | None = None
    threads: int | None = None
    optimise: bool = True
    tuning: str = FAST
    crops: int | None = None


@dataclass(frozen=True)
class Trial:
    """What `pptsn doctor` does to see whether a backend works on `device`: `run` raises what is wrong."""

    device: Device
    run: Callable[[], None]


class Backend(ABC, Generic[Options]):
    """A kind of engine; its module is to import its library only when it is used.

    name: as the registry has it.
    help: what it runs and where, in a few words.
    suffixes: of the names of its files, in small letters with their dots.
    options: a dataclass whose fields are made by `pptsn.runtime.base.options.option`; they follow the backend's
        name, as in `tensorrt?graphs=0`.
    requirements: what it needs of the machine beside the runtime's own packages, for `pptsn doctor`.
    opens_slowly: whether opening a model may take minutes; then neither `auto` nor `pptsn tune` takes it.
    packages: where exceptions come from that are the engine's own failures, by the first part of a module's name.
    """

    help: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    options: ClassVar[type] = NoOptions
    requirements: ClassVar[tuple[Requirement, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    opens_slowly: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def suits(self, path: Path) -> bool:
        """Whether `auto` may take this backend for the file at `path`; those before it were asked first."""
        return path.suffix.lower() in self.suffixes and not self.opens_slowly

    @abstractmethod
    def open(self, path: Path, choices: Choices, options: Options) -> Engine:
        """Return an engine with the model at `path` loaded.

        options: an instance of the class `options`.
        Raises UsageError for a file or device that is not the backend's, ModelError for an unusable file,
        MissingDependencyError for a missing package, driver or device.
        """

    def trials(self) -> tuple[Trial, ...]:
        """Return what tells whether it works here, one trial a device."""
        return ()


AnyBackend: TypeAlias = Backend[Any]
