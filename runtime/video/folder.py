"""Reading a folder of pictures, one for each frame of a video: `img_00001.jpg`, `img_00002.jpg`, ..."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runtime.closing import Closing
from runtime.errors import InputError, UsageError
from runtime.video.frame import Choose, Transform, VideoFrame

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_NUMBERED = re.compile(r"img_(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)


class ImageFolderReader(Closing):
    """A folder of extracted frames; implements FrameSource, which documents its methods.

    Frames are the files `img_NNNNN.jpg` (or .png) in the order of their numbers, which must leave no gap; without
    any such file, all pictures in the order of their names.  They have no presentation times.
    Raises InputError where there are no pictures or a number is missing.
    """

    lost_frames = 0

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        self._files = _frame_files(self.path)
        self._closed = False

    def frame_count(self) -> int:
        """Return the number of pictures."""
        return len(self._files)

    def duration_s(self) -> float | None:
        """Return None: pictures do not say when they were taken."""
        return None

    def read(self, indices: Sequence[int], *, transform: Transform | None = None) -> list[VideoFrame]:
        """Return one frame per index, in the order asked for; a repeated index gives the same object again."""
        for index in indices:
            if not 0 <= index < len(self._files):
                raise UsageError(self.path, f"frame {index} was asked for, expected 0 to {len(self._files) - 1}")
        read = {index: self._read_one(int(index), transform) for index in sorted(set(indices))}
        return [read[index] for index in indices]

    def read_sampled(self, choose: Choose, *, transform: Transform | None = None) -> list[VideoFrame]:
        """Return the frames at `choose(frame_count)`."""
        return self.read(choose(len(self._files)), transform=transform)

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames in turn, holding one at a time."""
        for index in range(len(self._files)):
            yield self._read_one(index, None)

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.frames()

    def close(self) -> None:
        """End the use of the reader; a second call does nothing."""
        self._closed = True

    def _read_one(self, index: int, transform: Transform | None) -> VideoFrame:
        if self._closed:
            raise ValueError(f"{self.path}: the reader is closed")
        import cv2

        file = self._files[index]
        picture: Any = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError(file, "is not a picture that can be read", "extract the frames again")
        pixels = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        if transform is not None:
            pixels = transform(pixels)
        return VideoFrame(pixels, index, None, str(self.path))


def _frame_files(folder: Path) -> list[Path]:
    try:
        files = sorted(
            entry for entry in folder.iterdir() if entry.suffix.lower() in _PICTURES and entry.is_file()
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(folder, f"cannot be read ({reason})", "check the path and its permissions") from error
    if not files:
        raise InputError(folder, "is a folder without pictures", "name a video file or a folder of frames")
    numbered = {int(match[1]): file for file in files if (match := _NUMBERED.fullmatch(file.name))}
    if not numbered:
        return files
    numbers = sorted(numbered)
    for expected, number in enumerate(numbers, start=numbers[0]):
        if number != expected:
            raise InputError(folder, f"frame number {expected} is missing", "extract the frames again")
    return [numbered[number] for number in numbers]
