"""From a Paddle export to ONNX, each step proven against the one before.

Imports `runtime`, never `training` or `benchmarks`.
"""
