"""All that a device needs to run PP-TSN: decoding, sampling, preprocessing, engines, recognition.

Depends on NumPy, PyAV, OpenCV and an inference engine; never on Paddle or ONNX, and on none of the sibling
folders.  The public names are re-exported by the module `pptsn`.
"""
