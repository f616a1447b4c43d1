"""The child process around Paddle2ONNX: python paddle2onnx_child.py MODEL PARAMS OUTPUT OPSET.

Paddle2ONNX aborts its process on some models (SIGABRT, no exception); here it can take nothing with it.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Convert MODEL with PARAMS to OUTPUT; any failure ends in a non-zero status with the cause on stderr."""
    model, parameters, output, opset = arguments
    import paddle2onnx

    paddle2onnx.export(model, parameters, output, opset_version=int(opset), optimize_tool="None")
    return 0


if __name__ == "__main__":
    # Python puts a script's own folder first; its modules are no packages for Paddle2ONNX to find.
    own = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != own]
    sys.exit(main(sys.argv[1:]))
