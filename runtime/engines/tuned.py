"""What `pptsn tune` found for a model on this machine, kept for `auto`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pptsn.runtime.base import __version__
from pptsn.runtime.base.caches import cache_folder
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import require_writable, write_text
from pptsn.runtime.base.processor import processor_name

_FORMAT = 1
_LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt")
# More threads, or crops a call, are none that `pptsn tune` found: they would take all the memory, or more.
_MOST = 4096
_GPUS = "proc/driver/nvidia/gpus/*/information"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How to run a model.

    backend: as `--backend` takes it.  device: where it ran: "cpu", "cuda:0".
    threads: CPU threads; None for all cores.  batch_size: crops a call.
    """

    backend: str
    device: Annotated[str, msgspec.Meta(pattern=r"^(cpu|cuda:[0-9]+)$")]
    threads: Annotated[int, msgspec.Meta(gt=0, le=_MOST)] | None
    batch_size: Annotated[int, msgspec.Meta(gt=0, le=_MOST)]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How fast a setting is: the crops a second, and the seconds until the model was open."""

    setting: Setting
    crops_per_s: Annotated[float, msgspec.Meta(gt=0)]
    opening_s: Annotated[float, msgspec.Meta(ge=0)]

    def seconds(self, crops: int) -> float:
        """Return how long it takes from the beginning until `crops` crops are inferred."""
        return self.opening_s + crops / self.crops_per_s


@dataclass(frozen=True, kw_only=True)
class DecodersFound:
    """How many processes should decode beside the fastest setting, for clips from files.

    decoders: 0 for none.  crops_a_clip: what the network saw of each clip when that was measured; of fewer the
        engine is done sooner, so that more decoders may pay.
    """

    decoders: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
    crops_a_clip: Annotated[int, msgspec.Meta(gt=0)]

    def for_clips_of(self, crops: int) -> int | None:
        """Return the decoders for clips of so many crops; None where that was not measured."""
        return self.decoders if crops >= self.crops_a_clip else None


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What was found, and where: it holds for the same model, machine and versions alone.

    model: the digest that the file carries.  machine: what `surroundings` returns.
    measured: the fastest settings, of each backend that works here one at least.
    made: the day, as 2026-11-26.
    decoding: None where it was not measured, as by older releases.
    """

    model: str
    machine: dict[str, str]
    measured: Annotated[tuple[Measured, ...], msgspec.Meta(min_length=1)]
    made: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    decoding: DecodersFound | None = None
    format_version: int = _FORMAT

    def best(self, crops: int | None = None) -> Measured:
        """Return what is done first with `crops` crops, its opening included; None for endlessly many."""
        if crops is None:
            return max(self.measured, key=lambda each: each.crops_per_s)
        return min(self.measured, key=lambda each: each.seconds(crops))


def surroundings(root: Path = Path("/")) -> dict[str, str]:
    """Return what a measurement depends on beside the model: processor, cores, GPUs, versions, each as a text.

    root: where `/proc` is.
    """
    found = {"processor": processor_name(root) or "unknown", "cores": str(available_cores())}
    if gpus := sorted(filter(None, map(_gpu_name, root.glob(_GPUS)))):
        found["GPUs"] = ", ".join(gpus)
    return found | {"pptsn": __version__} | _versions()


def tuning_path(digest: str) -> Path:
    """Return where the tuning of the model with this digest is kept: `~/.cache/pptsn/tuning/DIGEST.json`."""
    return cache_folder("tuning") / f"{digest}.json"


def require_place(digest: str) -> None:
    """Raise InputError where the tuning of the model with this digest could not be kept."""
    path = tuning_path(digest)
    with _writing(path):
        require_writable(path)


def keep(tuning: Tuning) -> Path:
    """Write `tuning` to its place, and return that; raises InputError where it cannot be written."""
    path = tuning_path(tuning.model)
    text = msgspec.json.format(msgspec.json.encode(tuning), indent=2).decode()
    with _writing(path):
        write_text(path, text)
    return path


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(path, error.cause, "set XDG_CACHE_HOME to a writable folder") from error


def kept(digest: str) -> tuple[Tuning | None, str | None]:
    """Return the tuning of the model with this digest that holds here, or why the one that is kept does not.

    Both are None where none is kept.
    """
    if not re.fullmatch("[0-9a-f]{64}", digest):
        return None, None
    path = tuning_path(digest)
    try:
        content = path.read_bytes()
    except OSError:
        return None, None
    try:
        tuning = _read(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, f"{path} is damaged and not used"
    if tuning is None:
        return None, f"{path} is of another release and not used"
    if tuning.model != digest:
        return None, f"{path} is about another model and not used"
    return (None, f"{path} is not used: {why}") if (why := _difference(tuning.machine)) else (tuning, None)


def _read(content: bytes) -> Tuning | None:
    """Return the tuning that a file holds, or None for another version of its format; raises where it is none."""
    version = msgspec.json.decode(content, type=dict[str, Any]).get("format_version")
    is_another = isinstance(version, int) and version != _FORMAT
    return None if is_another else msgspec.json.decode(content, type=Tuning)


def _difference(machine: dict[str, str]) -> str | None:
    """Return what is different here, or None."""
    here = surroundings()
    for name in (*here, *machine):
        then, now = machine.get(name, "none"), here.get(name, "none")
        if then != now:
            return f"it was measured with {name} {then}, here is {now}"
    return None


def _gpu_name(path: Path) -> str:
    with suppress(OSError):
        found = re.search(r"^Model:\s*(.+)$", path.read_text(errors="replace"), re.MULTILINE)
        return found[1].strip() if found else ""
    return ""


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
