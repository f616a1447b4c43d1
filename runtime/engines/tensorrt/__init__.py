"""TensorRT and TensorRT-RTX, with CUDA by PyCUDA and cuda-bindings."""
