"""A window over what a camera sees: each new prediction is the mean over the last seconds.

    python examples/live_window.py 0 --model output/model.onnx           # the first camera
    python examples/live_window.py clip.mp4 --model output/model.onnx    # a file, as fast as it can be read

`pptsn stream` does this for many cameras, with reconnects, events, a web page and more.
"""

from __future__ import annotations

import argparse
import sys

import cv2

from pptsn import PptsnError, Recognizer

BAR = 30  # characters


def main() -> int:
    """Follow the camera to its end, or until Ctrl-C; return how the program ends."""
    parser = argparse.ArgumentParser(description="Say what a camera, or a file, shows over the last seconds.")
    parser.add_argument("source", help="a file, an address, or the number of a camera")
    parser.add_argument("--model", required=True)
    parser.add_argument("--window", type=float, default=2.0, help="seconds that a prediction looks back")
    parser.add_argument("--segments", type=int, default=8, help="frames to look at in a window")
    arguments = parser.parse_args()

    is_camera = arguments.source.isdigit()
    capture = cv2.VideoCapture(int(arguments.source) if is_camera else arguments.source)
    if not capture.isOpened():
        sys.exit(f"error: {arguments.source}: OpenCV cannot open it")
    # What a camera shows happens now; frames of a file follow each other at its rate, however fast they are read.
    fps = None if is_camera else capture.get(cv2.CAP_PROP_FPS) or None
    with (
        Recognizer.open(arguments.model) as recognizer,
        recognizer.stream(window_s=arguments.window, segments=arguments.segments, bgr=True, fps=fps) as stream,
    ):
        while True:
            there, frame = capture.read()
            if not there:
                return 0
            prediction = stream.push(frame)
            if prediction is None:  # no frame was due yet
                continue
            best = prediction.top(1)[0]
            bar = "#" * round(BAR * best.score)
            filling = "  (the window is filling)" if prediction.warming_up else ""
            print(f"{prediction.time_s:7.2f} s  {bar:<{BAR}} {best.score:6.1%} {best.label}{filling}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PptsnError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
