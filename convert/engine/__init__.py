"""TensorRT plans: built, described, checked."""
