"""PyCUDA as `pptsn.runtime.engines.tensorrt.cuda` uses it."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from pptsn.runtime.engines import DeviceError
from pptsn.runtime.engines.tensorrt.cuda import CudaDevice, open_cuda

pytestmark = pytest.mark.gpu


@pytest.fixture
def cuda(needs: Callable[[Callable[[], object]], None]) -> CudaDevice:
    needs(lambda: open_cuda(0))
    return open_cuda(0)


def copy_through_the_gpu(cuda: CudaDevice) -> None:
    data = np.random.default_rng(0).integers(0, 256, (5, 1000), np.uint8)
    with cuda.current():
        stream = cuda.new_stream()
        buffer = cuda.new_buffer(data.shape, np.uint8)
        buffer.host[:] = data
        buffer.upload(5, stream)
        stream.synchronize()
        if not cuda.integrated:
            buffer.host[:] = 0
        buffer.download(3, stream)
        stream.synchronize()
        np.testing.assert_array_equal(buffer.host[:3], data[:3])
        buffer.free()
        buffer.free()
        del stream


def test_it_says_what_it_is(cuda: CudaDevice) -> None:
    major, minor = cuda.compute_capability.split(".")
    assert int(major) >= 5
    assert minor.isdigit()
    assert cuda.name


def test_bytes_come_back(cuda: CudaDevice) -> None:
    copy_through_the_gpu(cuda)


def test_another_thread_can_use_the_gpu(cuda: CudaDevice) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            copy_through_the_gpu(cuda)
        except BaseException as error:
            errors.append(error)

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert errors == []
    copy_through_the_gpu(cuda)


def test_too_much_memory_is_one_line(cuda: CudaDevice) -> None:
    if cuda.integrated:
        pytest.skip("the GPU shares the host's memory, which is not to be exhausted")
    held = []
    with pytest.raises(DeviceError, match="out of memory"), cuda.current():
        for _ in range(10_000):
            held.append(cuda._driver.mem_alloc(2**30))
    with cuda.current():
        for allocation in held:
            allocation.free()
    copy_through_the_gpu(cuda)
