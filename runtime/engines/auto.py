"""What `auto` takes for an .onnx file: what `pptsn tune` found, or else what is known of processors like this one.

Where OpenVINO is not installed, and nothing was tuned, that is ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.processor import processor_features
from pptsn.runtime.engines.backend import Choices
from pptsn.runtime.engines.device import Device, driver_is_here
from pptsn.runtime.engines.tuned import DecodersFound, Tuning, kept
from pptsn.runtime.model.file import Claims, claims_of
from pptsn.runtime.model.spec import ModelSpec

# Instructions that multiply INT8, of Intel's processors and AMD's.
_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
# From how many crops a thread on OpenVINO makes up for its later start, of a ResNet-50 at 224 px, by what a file
# was quantized for, on processors with VNNI.  Measured cold on two cores: 8 crops take half as long again as by
# ONNX Runtime, 25 an eighth longer, 125 less by a quarter (docs/log.md).  With other files and on other processors
# it is not known to be faster: there `pptsn tune` finds out.
_PAYS_FROM = {"cpu": 20}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What to open a model by.

    backend: as `--backend` takes it; None for what suits its kind of file.  batch_size: None for its own.
    decoding: as `Engine` has it.
    note: why, for the user; "" where it is what it always was.
    """

    choices: Choices
    backend: str | None = None
    batch_size: int | None = None
    decoding: DecodersFound | None = None
    note: str = ""


def take(path: Path, choices: Choices) -> Taken:
    """Return what to take for the file at `path`.

    Nothing is known of a graph that is to run as it is written, of a file that says nothing of itself, and of
    files of other kinds.
    """
    if path.suffix.lower() != ".onnx" or not choices.optimise:
        return Taken(choices=choices)
    try:
        claims = claims_of(path)
    except ModelError:  # its backend says what is wrong
        return Taken(choices=choices)
    tuning, why_not = kept(claims.digest)
    if tuning is not None and choices.device in (None, Device.parse(tuning.best().setting.device)):
        return _tuned(tuning, choices)
    found = _known(claims, choices)
    if why_not is None:
        return found
    notes = (f"{why_not}; measure again: pptsn tune {path}", found.note)
    return replace(found, note="; ".join(filter(None, notes)))


def _tuned(tuning: Tuning, choices: Choices) -> Taken:
    setting = tuning.best(choices.crops).setting
    as_measured = setting == tuning.best().setting and choices.threads in (None, setting.threads)
    how = f"{setting.threads or 'all'} threads, {setting.batch_size} crops a call"
    return Taken(
        backend=setting.backend,
        choices=replace(choices, device=Device.parse(setting.device), threads=choices.threads or setting.threads),
        batch_size=setting.batch_size,
        decoding=tuning.decoding if as_measured else None,
        note=f"running as pptsn tune found on {tuning.made}: {setting.backend} on {setting.device}, {how}",
    )


def _known(claims: Claims, choices: Choices) -> Taken:
    """Return what is known to be best on processors like this one."""
    least = _PAYS_FROM.get((claims.quantization or {}).get("target", ""))
    threads = choices.threads or available_cores()
    if (
        least is None
        or (choices.crops is not None and choices.crops * _size(claims.spec) < least * threads)
        or not _is_for_the_cpu(choices)
        or not _VNNI & processor_features()
        or find_spec("openvino") is None
    ):
        return Taken(choices=choices)
    note = "running by OpenVINO, as it is faster with INT8 on a CPU that has VNNI"
    return Taken(choices=choices, backend="openvino", note=note)


def _size(spec: ModelSpec) -> float:
    """Return the work of one crop, as a share of that of a ResNet-50 at 224 px."""
    return spec.depth / 50 * (spec.crop_size / 224) ** 2


def _is_for_the_cpu(choices: Choices) -> bool:
    """Whether the model is to run on the CPU, or there is no sign of a GPU."""
    return not driver_is_here() if choices.device is None else choices.device.kind == "cpu"
