"""All that a device needs to run PP-TSN: decoding, sampling, preprocessing, engines, recognition.

Depends on NumPy, PyAV, OpenCV and an inference engine; never on Paddle or ONNX, and on none of the sibling
folders.  The public names are re-exported by the package `pptsn`.
"""

if __name__ != "pptsn.runtime":  # a checkout holds the folder under its bare name too
    raise ImportError(f"{__name__} is a part of the package pptsn; write: import pptsn.runtime")
