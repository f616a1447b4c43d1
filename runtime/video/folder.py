"""Reading a folder of pictures, one for each frame of a video: `img_00001.jpg`, `img_00002.jpg`, ..."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import printable, read_small
from pptsn.runtime.base.stages import DEMUX, stage
from pptsn.runtime.frames.picture_size import most_bytes
from pptsn.runtime.frames.stored import StoredPicture, decoded_picture
from pptsn.runtime.video.damage import Damage
from pptsn.runtime.video.faults import check_stop, input_errors_only
from pptsn.runtime.video.frame import Choose, Pixels, Restart, Transform, VideoFrame, gathered
from pptsn.runtime.video.names import NAMED, is_companion, number_of, some_of
from pptsn.runtime.video.numbering import NUMBER, missing_among

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
# Pictures that are not read, so that a folder of them is told as that.
_OTHER_PICTURES = frozenset({
    ".avif", ".cr2", ".dng", ".exr", ".hdr", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".nef", ".pam", ".pbm",
    ".pgm", ".pnm", ".ppm", ".ras", ".svg", ".tga", ".tif", ".tiff",
})  # fmt: skip
_NUMBERED = re.compile(r"img_(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_MARKER, _START_OF_SCAN = 0xFF, 0xDA

_UNREADABLE = "is not a picture that can be read"
_AGAIN = "extract the frames again"


class ImageFolderReader(Closing):
    """A folder of extracted frames; implements FrameSource, which documents its methods.

    Frames are the files `img_NNNNN.jpg` (or .png) in the order of their numbers, which must leave no gap; without
    any such file, all pictures in the order of their names, numbers in which count as numbers: those that are
    missing between them are told, and the others go on.  They have no presentation times.  What else lies there is
    counted and named, but for hidden files; a picture that is not asked for is not looked at.
    Raises InputError where there are no pictures, or a number is missing or there twice.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._files, self._ignored, self._others = _frame_files(self.path)
        self._missing = missing_among([file.name for file in self._files], named=NAMED)
        self._cut_short: set[int] = set()
        self._damaged: dict[int, str] = {}
        self._odd: dict[int, str] = {}
        self._read_so_far: set[int] = set()
        self._closed = False

    @property
    def lost_frames(self) -> int:
        """How many pictures were found to be cut short so far; what there is of them is used."""
        return len(self._cut_short)

    @property
    def damage(self) -> Damage:
        """How many pictures were found to be cut short or damaged, of those that were read so far."""
        read, damaged = len(self._read_so_far), len(self._cut_short | self._damaged.keys())
        return Damage(decoded=read, damaged=damaged, sampled=read, sampled_damaged=damaged)

    @property
    def ends_early(self) -> bool:
        """Return False: what is missing at a folder's end nobody can tell."""
        return False

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the folder though it can be used, as far as known; one phrase each."""
        warnings = {
            f"{_counted(len(self._ignored), 'without a number (img_00001.jpg) {} ignored')}: "
            f"{some_of(self._ignored)}": self._ignored,
            f"{len(self._others)} other {'file' if len(self._others) == 1 else 'files'} ignored: "
            f"{some_of(self._others)}": self._others,
            f"{_counted(self._missing.count, '{} missing by the numbers of the others')}: "
            f"{some_of(self._missing.first, of=self._missing.count)}": self._missing.count,
            f"{_counted(len(self._cut_short), '{} cut short')}, of {len(self._read_so_far)} read": self._cut_short,
            f"{_counted(len(self._damaged), '{} damaged')}, of {len(self._read_so_far)} read: "
            f"{self._named(self._damaged)}": self._damaged,
            f"{_counted(len(self._odd), '{} odd and may be damaged')}, of {len(self._read_so_far)} read: "
            f"{self._named(self._odd)}": self._odd,
        }
        return [warning for warning, met in warnings.items() if met]

    def frame_count(self) -> int:
        """Return the number of pictures."""
        return len(self._files)

    def decode_all(self) -> int:
        """Decode every picture and return how many there are: damage and warnings are known of all then."""
        return sum(1 for _ in self.frames())

    def duration_s(self) -> float | None:
        """Return None: pictures do not say when they were taken."""
        return None

    def read(self, indices: Sequence[int], *, transform: Transform | None = None) -> list[VideoFrame]:
        """Return one frame per index, in the order asked for; a repeated index gives the same object again."""
        read = {frame.index: frame for frame in self._read(indices, transform, None)}
        return [read[index] for index in indices]

    def read_sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> list[VideoFrame]:
        """Return the frames at `choose(frame_count)`."""
        return gathered(self.sampled, choose, transform=transform, stop=stop)

    def sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> Iterator[VideoFrame | Restart]:
        """Yield the frames at `choose(frame_count)` as they are read; none comes twice."""
        yield from self._read(choose(len(self._files)), transform, stop)

    def _read(
        self, indices: Sequence[int], transform: Transform | None, stop: threading.Event | None
    ) -> Iterator[VideoFrame]:
        for index in indices:
            if not 0 <= index < len(self._files):
                raise UsageError(self.path, f"frame {index} was asked for, expected 0 to {len(self._files) - 1}")
        for index in sorted(set(indices)):
            with input_errors_only(self.path):
                check_stop(stop)
            yield self._read_one(int(index), transform)

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
        file = self._files[index]
        with input_errors_only(file, _UNREADABLE, _AGAIN):
            with stage(DEMUX):
                data = read_small(file, 2 * most_bytes())  # nothing takes more as it is stored, or not by much
            cut_short = _is_cut_jpeg(data)
            # Decoders take a JPEG from memory only with its end, and fill up with grey what is not there.
            pixels, found = _decoded(file, data + _JPEG_END if cut_short else data)
            if transform is not None:
                pixels = transform(pixels)
        self._note(index, found, cut_short=cut_short)
        return VideoFrame(pixels, index, None, str(self.path))

    def _note(self, index: int, found: StoredPicture, *, cut_short: bool) -> None:
        self._read_so_far.add(index)
        if cut_short:
            self._cut_short.add(index)
        elif found.trouble:
            (self._damaged if found.damaged else self._odd)[index] = found.trouble

    def _named(self, troubles: dict[int, str]) -> str:
        return some_of([f"{self._files[index].name} ({troubles[index].lower()})" for index in sorted(troubles)])


def is_numbered_frame(name: str) -> bool:
    """Return whether a file called `name` is a numbered frame, `img_00001.jpg`."""
    return _NUMBERED.fullmatch(name) is not None


def _decoded(file: Path, content: bytes) -> tuple[Pixels, StoredPicture]:
    # Of bytes: OpenCV would crash the process for a name that is no UTF-8.
    found = decoded_picture(content, thing=file)
    if found.pixels is None:
        raise InputError(file, f"{_UNREADABLE}{f' ({found.trouble})' if found.trouble else ''}", _AGAIN)
    return found.pixels, found


def _is_cut_jpeg(data: bytes) -> bool:
    """Return whether `data` is a JPEG without an end."""
    if not data.startswith(_JPEG_START):
        return False
    # A preview in the header has an end of its own, and data of all kinds may follow the end of the picture.
    return _JPEG_END not in data[_scan_begin(data) :]


def _scan_begin(data: bytes) -> int:
    """Return where the header of a JPEG ends, past all its segments."""
    at = len(_JPEG_START)
    while at + 4 <= len(data) and data[at] == _MARKER and data[at + 1] != _START_OF_SCAN:
        filler = data[at + 1] == _MARKER
        at += 1 if filler else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _counted(pictures: int, phrase: str) -> str:
    """Return `phrase`, with its verb at {}, about so many pictures."""
    return (
        f"{pictures} picture {phrase.format('is')}"
        if pictures == 1
        else f"{pictures} pictures {phrase.format('are')}"
    )


def _by_number(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts names as people do: frame2 before frame10."""
    parts = NUMBER.split(file.stem)
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)], file.name


def _frame_files(folder: Path) -> tuple[list[Path], list[str], list[str]]:
    """Return the pictures that are frames, in order, and the names of other pictures and of other files."""
    files, others = _pictures(folder)
    numbered = _numbered(folder, files)
    if not numbered:
        return files, [], others
    numbers = sorted(numbered)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if missing:
        first = islice((n for n in range(numbers[0], numbers[-1]) if n not in numbered), NAMED)
        which = some_of([str(number) for number in first], of=missing)
        cause = f"frame number {which} is missing" if missing == 1 else f"frame numbers {which} are missing"
        raise InputError(folder, cause, _AGAIN)
    unnumbered = [file.name for file in files if _NUMBERED.fullmatch(file.name) is None]
    return [numbered[number] for number in numbers], unnumbered, others


def _numbered(folder: Path, files: Sequence[Path]) -> dict[int, Path]:
    """Return those of `files` that are named after a frame, by its number."""
    numbered: dict[int, Path] = {}
    for file in files:
        match = _NUMBERED.fullmatch(file.name)
        if match is None:
            continue
        other = numbered.setdefault(int(match[1]), file)
        if other is not file:
            raise InputError(folder, f"{other.name} and {file.name} have the same number", "remove one of them")
    return numbered


def _pictures(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures of a folder, by their names, and the names of the other files that people put there."""
    try:
        entries = [entry for entry in folder.iterdir() if not is_companion(entry.name)]
        own = [entry for entry in entries if entry.is_file()]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(folder, f"cannot be read ({reason})", "check the path and its permissions") from error
    files = [entry for entry in own if entry.suffix.lower() in _PICTURES]
    if not files:
        unread = sorted(printable(entry.name) for entry in own if entry.suffix.lower() in _OTHER_PICTURES)
        if unread:
            cause = (
                f"holds no pictures of a kind that is read ({number_of(len(unread), 'file')}: {some_of(unread)})"
            )
            raise InputError(folder, cause, "convert them to JPEG or PNG")
        cause = "is a folder without pictures" if entries else "is an empty folder"
        raise InputError(folder, cause, "name a video file or a folder of frames")
    others = sorted(
        entry.name for entry in own if entry.suffix.lower() not in _PICTURES and not entry.name.startswith(".")
    )
    return sorted(files, key=_by_number), others
