"""From a Paddle export to ONNX, each step proven against the one before.

Imports `pptsn.runtime`, never `training` or `benchmarks`.
"""

if __name__ != "pptsn.convert":  # a checkout holds the folder under its bare name too
    raise ImportError(f"{__name__} is a part of the package pptsn; write: import pptsn.convert")
