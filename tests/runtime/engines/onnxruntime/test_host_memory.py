from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops

SHAPE = (2, 3, 3, 3)


class Lent:
    """An OrtValue in page-locked memory; copies: its `numpy` is a copy, as in older versions."""

    def __init__(self, nbytes: int, *, copies: bool = False) -> None:
        self.memory, self.copies = np.zeros(nbytes, np.uint8), copies

    def data_ptr(self) -> int:
        return self.memory.ctypes.data

    def numpy(self) -> np.ndarray:
        return self.memory.copy() if self.copies else self.memory


def library(*, lent: list[Lent], copies: bool = False, about: object = "pinned", name: str = "CUDA") -> Any:
    def new(shape: list[int], dtype: object, *, memory_info: object) -> Lent:
        assert memory_info == "pinned"
        lent.append(Lent(shape[0], copies=copies))
        return lent[-1]

    device = SimpleNamespace(ep_name=f"{name}ExecutionProvider", memory_info=lambda kind: about)
    return SimpleNamespace(
        get_ep_devices=lambda: [SimpleNamespace(ep_name="CPUExecutionProvider"), device],
        OrtDeviceMemoryType=SimpleNamespace(HOST_ACCESSIBLE=5),
        OrtValue=SimpleNamespace(ortvalue_from_shape_and_type=new),
    )


def test_page_locked_memory_is_taken_where_there_is_some() -> None:
    lent: list[Lent] = []
    host = HostCrops(library(lent=lent), SHAPE)
    assert host.page_locked
    host.crops[1, 2, 2, 2] = 7
    assert host.crops.shape == SHAPE
    assert lent[0].memory[-1] == 7  # the memory itself, not a copy


@pytest.mark.parametrize(
    "library",
    [
        SimpleNamespace(),  # a version that knows no such memory
        library(lent=[], copies=True),
        library(lent=[], about=None),
        library(lent=[], name="OpenVINO"),
    ],
)
def test_ordinary_memory_does_as_well(library: Any) -> None:
    host = HostCrops(library, SHAPE)
    assert not host.page_locked
    assert (host.crops.shape, host.crops.dtype) == (SHAPE, np.uint8)
    assert host.crops.flags.c_contiguous


def test_the_installed_onnxruntime_has_what_is_asked_of_it_or_gives_ordinary_memory() -> None:
    import onnxruntime

    assert HostCrops(onnxruntime, SHAPE).crops.shape == SHAPE
