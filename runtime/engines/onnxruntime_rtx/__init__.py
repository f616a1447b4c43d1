"""ONNX Runtime with TensorRT-RTX inside, by a plugin library of NVIDIA."""
