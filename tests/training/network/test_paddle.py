import os
import platform
import subprocess
import sys

import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.engines.paddle import library
from pptsn.runtime.engines.paddle.library import cpu_threads
from pptsn.training.network._paddle import paddle, select_device

_READ_BY_PADDLE = ("OMP_NUM_THREADS", "MKL_CBWR")


def _run(code: str, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if name not in _READ_BY_PADDLE} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["network.resnet_vd", "trainer", "checkpoint_engine", "export"])
def test_without_paddle_one_line_names_what_to_install(module):
    code = (
        "import sys; sys.modules['paddle'] = None\n"
        "from pptsn.runtime.base.errors import MissingDependencyError\n"
        f"try: import pptsn.training.{module}\n"
        "except MissingDependencyError as error: print(error)"
    )
    assert _run(code).endswith("run: pip install 'pptsn[train]'")


def test_importing_paddle_is_silent_and_leaves_the_environment_alone():
    code = "import os; from pptsn.runtime.engines.paddle import library; import pptsn.training.network._paddle; "
    code += "print(os.environ.get('OMP_NUM_THREADS'), library.cpu_threads())"
    assert _run(code) == f"None {len(os.sched_getaffinity(0))}"
    assert _run(code, OMP_NUM_THREADS="3") == "3 3"


# MKL as Paddle loads it; 0x10000 is STRICT, and 2, 3 are AUTO and COMPATIBLE.
_MODE = """
import ctypes
from pptsn.runtime.engines.paddle import library
from pptsn.training.network._paddle import paddle
paddle.matmul(paddle.ones([2, 2]), paddle.ones([2, 2]))
libraries = {line.split()[-1] for line in open("/proc/self/maps") if "mkl" in line}
print(*(hex(ctypes.CDLL(library).mkl_serv_cbwr_get(-1)) for library in libraries if "mklml" in library))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="MKL is for x86-64 alone")
@pytest.mark.parametrize(
    ("asked", "mode"),
    [
        ({}, 0x10002),
        ({"MKL_CBWR": "COMPATIBLE"}, 3),
        pytest.param({"MKL_CBWR": "COMPATIBLE,STRICT"}, 0x10003, marks=pytest.mark.slow),
    ],
)
def test_products_add_up_in_a_fixed_order_or_as_the_environment_says(asked, mode):
    assert _run(_MODE, **asked) == hex(mode)


@pytest.mark.parametrize(
    ("mode", "processor", "threads"),
    [
        ("AUTO,STRICT", "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", {}),
        ("AUTO,STRICT", "AMD EPYC", {"threads": str(cpu_threads())}),
        ("AVX2", "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", {"threads": str(cpu_threads())}),
    ],
)
def test_what_the_last_bits_depend_on_is_known(monkeypatch, mode, processor, threads):
    monkeypatch.setenv("MKL_CBWR", mode)
    monkeypatch.setattr(library, "_processor", lambda: processor)
    facts = {"paddle": paddle.__version__, "device": "cpu", "MKL_CBWR": mode, "processor": processor}
    assert library.arithmetic(paddle) == facts | threads


def test_a_gpu_that_is_not_there_is_told():
    if paddle.device.is_compiled_with_cuda():
        pytest.skip("this Paddle has CUDA")
    assert select_device("auto") == "cpu"
    with pytest.raises(MissingDependencyError, match="device cuda:1: this Paddle has no CUDA; install"):
        select_device("cuda:1")
