"""The child process around Paddle2ONNX: python paddle2onnx_child.py MODEL PARAMS OUTPUT OPSET PARENT.

Paddle2ONNX aborts its process on some models (SIGABRT, no exception); here it can take nothing with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main(arguments: list[str]) -> int:
    """Convert MODEL with PARAMS to OUTPUT; any failure ends in a non-zero status with the cause on stderr.

    It ends at once with the process PARENT, that started it, however that ended.
    """
    model, parameters, output, opset, parent = arguments
    _end_with(int(parent))
    import paddle2onnx

    paddle2onnx.export(model, parameters, output, opset_version=int(opset), optimize_tool="None")
    return 0


def _end_with(parent: int) -> None:
    """Have the system kill this process when its parent has gone: Paddle2ONNX lets no other thread look."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before
        sys.exit(1)


if __name__ == "__main__":
    # Python puts a script's own folder first; its modules are no packages for Paddle2ONNX to find.
    own = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != own]
    sys.exit(main(sys.argv[1:]))
