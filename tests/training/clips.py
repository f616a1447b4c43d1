"""Small clips for the tests of this folder, whose pixels say which frame of which clip they are."""

from pathlib import Path

import cv2
import numpy as np

from pptsn.runtime.classify.lists import Sample
from pptsn.training.synthetic.mp4 import write_mp4

_STEP = 10


def level_frame(level: int, *, width: int = 48, height: int = 36) -> np.ndarray:
    """A grey frame of one level, which survives encoding to a level or two."""
    return np.full((height, width, 3), level, np.uint8)


def counting_clip(path: Path, *, frames: int, width: int = 48, height: int = 36) -> Path:
    """A clip of up to 25 frames, each of which tells its number by its grey level."""
    pictures = (level_frame(_STEP * index, width=width, height=height) for index in range(frames))
    write_mp4(path, pictures, fps=10, quality=1)
    return path


def frame_numbers(crops: np.ndarray) -> list[int]:
    """The frame numbers of (T, S, S, 3) uint8 crops of a counting clip."""
    levels = crops.reshape(len(crops), -1).mean(axis=1) / _STEP
    assert np.abs(levels - np.round(levels)).max() < 0.3
    return [int(level) for level in np.round(levels)]


def counting_folder(folder: Path, *, frames: int) -> Path:
    """The same as a folder of extracted frames."""
    folder.mkdir()
    for index in range(frames):
        cv2.imwrite(str(folder / f"img_{index + 1:05}.jpg"), level_frame(_STEP * index))
    return folder


def level_clips(folder: Path, count: int) -> list[Sample]:
    """Clips whose grey level says their place in the list, labelled with it."""
    samples = []
    for index in range(count):
        path = folder / f"{index}.mp4"
        write_mp4(path, [level_frame(_STEP * index)] * 3, fps=10, quality=1)
        samples.append(Sample(str(path), index))
    return samples
