import re
from pathlib import Path

import pytest

import pptsn.runtime.engines.tensorrt.cuda_graphs


def test_every_name_that_the_code_takes_from_cuda_bindings_exists() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", exc_type=ImportError)
    source = Path(pptsn.runtime.engines.tensorrt.cuda_graphs.__file__).read_text()
    functions = set(re.findall(r"\bcu[A-Z]\w+", source))
    assert len(functions) == 6
    for name in functions:
        assert callable(getattr(driver, name))
    assert driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL is not None
    assert driver.CUresult.CUDA_SUCCESS.name == "CUDA_SUCCESS"
    assert int(driver.CUstream(5)) == 5
