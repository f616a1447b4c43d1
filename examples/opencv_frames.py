"""Frames that a program has already, read by OpenCV: what happens in one part of a video.

    python examples/opencv_frames.py match.mp4 --model output/model.onnx --start 12 --end 15

Any array (T, H, W, 3) of uint8 would do as well, and any iterable of arrays (H, W, 3).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import cv2
import numpy as np

from pptsn import PptsnError, Recognizer


def part_of(capture: cv2.VideoCapture, start_s: float, end_s: float) -> Iterator[np.ndarray]:
    """Yield the frames between two times, (H, W, 3) uint8 in OpenCV's order of channels: blue, green, red."""
    capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * start_s)
    while True:
        there, frame = capture.read()
        if not there or capture.get(cv2.CAP_PROP_POS_MSEC) > 1000 * end_s:
            return
        yield frame


def main() -> int:
    """Classify the part; return how the program ends."""
    parser = argparse.ArgumentParser(description="Say what happens in one part of a video.")
    parser.add_argument("video")
    parser.add_argument("--model", required=True)
    parser.add_argument("--start", type=float, default=0.0, help="seconds")
    parser.add_argument("--end", type=float, default=float("inf"), help="seconds")
    arguments = parser.parse_args()
    capture = cv2.VideoCapture(arguments.video)
    if not capture.isOpened():
        sys.exit(f"error: {arguments.video}: OpenCV cannot open it")

    with Recognizer.open(arguments.model) as recognizer:
        answer = recognizer.classify(part_of(capture, arguments.start, arguments.end), bgr=True)
    print(f"{answer.frames} frames")
    for prediction in answer.top(3):
        print(f"{prediction.score:6.1%} {prediction.label}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PptsnError as error:
        sys.exit(f"error: {error}")
