import os
import subprocess
import sys

import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.training.network._paddle import paddle, select_device


def _run(code: str, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["network.network", "trainer", "paddle_engine", "export"])
def test_without_paddle_one_line_names_what_to_install(module):
    code = (
        "import sys; sys.modules['paddle'] = None\n"
        "from pptsn.runtime.base.errors import MissingDependencyError\n"
        f"try: import pptsn.training.{module}\n"
        "except MissingDependencyError as error: print(error)"
    )
    assert _run(code).endswith("run: pip install 'pptsn[train]'")


def test_importing_paddle_is_silent_and_leaves_the_environment_alone():
    code = "import os; from pptsn.training.network import _paddle as p; "
    code += "print(os.environ.get('OMP_NUM_THREADS'), p.CPU_THREADS)"
    assert _run(code) == f"None {len(os.sched_getaffinity(0))}"
    assert _run(code, OMP_NUM_THREADS="3") == "3 3"


def test_a_gpu_that_is_not_there_is_told():
    if paddle.device.is_compiled_with_cuda():
        pytest.skip("this Paddle has CUDA")
    assert select_device("auto") == "cpu"
    with pytest.raises(MissingDependencyError, match="device cuda:1: this Paddle has no CUDA; install"):
        select_device("cuda:1")
