"""The bytes of a web file, fetched as they are asked for and kept, so that none is fetched twice."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias
from urllib.parse import unquote, urlsplit

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.pulse import READ_TIMEOUT_S
from pptsn.runtime.video.faults import check_stop
from pptsn.runtime.video.web.address import WebFile, names_a_video
from pptsn.runtime.video.web.exchange import DOWNLOAD, EMPTY, ENDED, BrokenOffError, Response, Server
from pptsn.runtime.video.web.kept import BLOCK, Kept
from pptsn.runtime.video.web.words import CHECK_NETWORK, kind_of_text, no_video
from pptsn.runtime.video.wholeness.mp4 import table_in

# What is read: a file of a disk, or one of a web server.
Media: TypeAlias = "Path | WebContent"

# What is asked for first; where nothing tells how much is wanted; and at most, of what is read on and on.
_FIRST, _LEAST, _MOST = 1 << 18, 1 << 16, 1 << 23
_PIECE = 1 << 16
# What is kept at most.
_MOST_KEPT = 2_000_000_000
# A larger file is a slip, or a lie; the list of its blocks would fill the memory.
_LARGEST = 1 << 37
# How often a piece is asked for whose connection breaks off, and how long it is waited in between.
_TRIES, _PAUSE_S = 3, 0.2
# So much comes within READ_TIMEOUT_S, or the server is too slow.
_PACE_BYTES = 1 << 16
# From so much on it is worth a word that all of a file was read.
_MUCH = 10_000_000
_HEAD_BYTES = 512
_NO_END = "use `pptsn stream`, or name a file"


class WebContent(Closing):
    """A web file, open for reading by several threads; calling it opens it as a file.

    Where its server sends ranges, what is read is fetched; where not, all of it at once.
    stop: ends a wait with a StoppedError, once another thread sets it.
    Raises InputError, in one line without credentials, for whatever the server does; so does reading.

    served: by what the file is known again; None where the server does not say.
    size: in bytes.  has_table: whether its table of frames is here, so that no other bytes tell where they lie.
    """

    def __init__(self, file: WebFile, *, stop: threading.Event | None = None) -> None:
        self._file, self._stop = file, stop
        self._lock = threading.Lock()
        self._next_at, self._appetite = 0, _LEAST
        self._has_ranges = self.has_table = False
        try:
            self._kept = Kept()
        except OSError as error:
            raise _no_room(file, error) from None
        try:
            self._server = Server(file)
            self._begin()
            if self._has_ranges:
                self._find_table()
        except BaseException:
            self._kept.close()
            raise

    def __str__(self) -> str:
        return str(self._file)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._kept.size

    def note(self, *, seeks: bool) -> str:
        """Return what a user should know of how it was read; "" for nothing.

        seeks: whether frames were looked up by its table to the end: all that was read was wanted then.
        """
        if (seeks and self.has_table) or self._kept.count < max(self.size, _MUCH):
            return ""
        return f"all of its {_megabytes(self.size)} were read, as it {self._why_all}"

    @property
    def _why_all(self) -> str:
        if not self._has_ranges:
            return "comes from a server that sends no parts"
        return "is not as its table of frames says" if self.has_table else "has no table of its frames"

    def __call__(self) -> BinaryIO:
        """Return the file, open for reading."""
        return io.BufferedReader(self.cursor(), BLOCK)

    def cursor(self) -> Cursor:
        """Return the file for FFmpeg: reading may give fewer bytes than asked for."""
        return Cursor(self, PurePosixPath(unquote(urlsplit(self._file.url).path)).name)

    def text_in_its_place(self) -> str:
        """Return in words what kind of text the server sends, for a file that is no video; "" for none."""
        return kind_of_text(self._kind, self.read_at(0, _HEAD_BYTES))

    def fetch(self, begin: int, end: int) -> None:
        """Have the bytes from `begin` to before `end` here, by one request where none of them is."""
        with self._lock:
            self._fetch(begin, end)

    def read_at(self, at: int, most: int) -> bytes:
        """Return the bytes from `at` on, at least one but at the end of the file, and no more than `most`."""
        with self._lock:
            if at >= self.size:
                return b""
            if not self._kept.known_from(at, most=1):
                self._fetch_on(at)
            return self._kept.read(at, self._kept.known_from(at, most=most))

    def close(self) -> None:
        """Forget what was fetched; a second call does nothing."""
        self._kept.close()

    def _begin(self) -> None:
        """Ask for the first bytes, and learn from the response how the server is to be asked."""
        try:
            with self._server.request(0, _FIRST) as response:
                self._kind, self._version = response.kind, response.version
                self.served = response.served
                if response.is_endless:
                    raise InputError(self._file, "is a camera's: its pictures have no end", _NO_END)
                if response.is_part:
                    self._has_ranges = True
                    self._kept.resize(self._checked_size(response))
                    self._receive(response, 0, self._end_of(response, (0, min(_FIRST, self.size))))
                else:
                    self._receive_all(response)
        except BrokenOffError as error:
            if not self._has_ranges:
                raise self._broken_off(error) from None
        self._fetch(0, min(_FIRST, self.size))

    def _checked_size(self, response: Response) -> int:
        if not response.total:
            raise InputError(self._file, *EMPTY)
        if response.total > _LARGEST:
            raise InputError(self._file, f"has {response.total} bytes, as its server says", "check the URL")
        return response.total

    def _find_table(self) -> None:
        with self() as file:
            table = table_in(file, self.size)
        if table is not None:
            self.fetch(*table)
            self.has_table = True
        elif self.size > _MOST_KEPT:
            raise self._too_large()

    def _fetch_on(self, at: int) -> None:
        """Fetch bytes from `at` on: the more, the more were read one after the other."""
        self._appetite = min(2 * self._appetite, _MOST) if at == self._next_at else _LEAST
        begin = at - at % BLOCK
        self._next_at = min(begin + self._appetite, self.size)
        self._fetch(begin, self._next_at)

    def _fetch(self, begin: int, end: int) -> None:
        tries = 0
        while (gap := self._kept.gap(begin, end)) is not None:
            try:
                with self._server.request(*gap) as response:
                    self._receive(response, gap[0], self._end_of(response, gap))
            except BrokenOffError as error:
                tries += 1
                if tries == _TRIES:
                    raise self._broken_off(error) from None
                (self._stop or threading.Event()).wait(_PAUSE_S)

    def _end_of(self, response: Response, gap: tuple[int, int]) -> int:
        """Return to where a response fills `gap`: servers may send less than they are asked for."""
        self._check_same(response)
        end = min(gap[1], response.end or gap[1])
        if end < gap[1] and end - gap[0] < BLOCK:
            raise InputError(self._file, "its server sends parts that are too small", DOWNLOAD)
        return end

    def _check_same(self, response: Response) -> None:
        if not response.is_part:
            raise InputError(self._file, "its server sends parts of it no more", DOWNLOAD)
        if (response.total, response.version) != (self.size, self._version):
            raise InputError(self._file, "changed on the server while it was read", "classify it again")

    def _receive(self, response: Response, at: int, end: int) -> None:
        """Keep what comes as the bytes from `at`, where a block begins, to before `end`."""
        pace = _Pace(self._file)
        while at < end:
            piece = self._piece(response, end - at, pace)
            if not piece:
                raise BrokenOffError(ENDED)
            self._keep(at, piece)
            self._kept.know(at, at + len(piece))
            at += len(piece)

    def _receive_all(self, response: Response) -> None:
        """Keep all of a file whose server sends it from its beginning alone."""
        if response.total is not None and self._checked_size(response) > _MOST_KEPT:
            raise self._too_large()
        pace, at = _Pace(self._file), 0
        while piece := self._piece(response, _PIECE, pace):
            if not at and response.total is None and not names_a_video(self._file.url):
                raise self._without_end(piece)
            self._keep(at, piece)
            at += len(piece)
        if response.total is not None and at < response.total:
            raise BrokenOffError(ENDED)
        if not at:
            raise InputError(self._file, *EMPTY)
        self._kept.resize(at)
        self._kept.know(0, at)

    def _piece(self, response: Response, most: int, pace: _Pace) -> bytes:
        check_stop(self._stop)
        piece = response.read(min(most, _PIECE))
        pace.count(len(piece))
        return piece

    def _keep(self, at: int, piece: bytes) -> None:
        if self._kept.count + len(piece) > _MOST_KEPT:
            raise self._too_large()
        try:
            self._kept.write(at, piece)
        except OSError as error:
            raise _no_room(self._file, error) from None

    def _too_large(self) -> InputError:
        why = "" if self.has_table else f", as it {self._why_all}"  # else it is many frames that are wanted
        cause = f"more than {_megabytes(_MOST_KEPT)} of it would have to be read{why}"
        return InputError(self._file, cause, DOWNLOAD)

    def _without_end(self, head: bytes) -> InputError:
        text = kind_of_text(self._kind, head)
        if text:
            return InputError(self._file, *no_video(text))
        return InputError(self._file, "has no length and no video's name, as a camera's pictures", _NO_END)

    def _broken_off(self, error: BrokenOffError) -> InputError:
        of = f" of {self.size}" if self.size else ""
        return InputError(self._file, f"{error} after {self._kept.count}{of} bytes", f"try again, or {DOWNLOAD}")


def _no_room(file: WebFile, error: OSError) -> InputError:
    cause = f"finds no room among the temporary files ({reason_of(error).lower()})"
    return InputError(file, cause, "name a folder with more room in TMPDIR")


class Cursor(io.RawIOBase):
    """A place in a web file.

    name: that of the file, by which FFmpeg guesses its format.
    skims: whether reading gives zeros in place of the bytes, and fetches none: where those are, and how many, is
    all that is asked for.
    """

    def __init__(self, content: WebContent, name: str) -> None:
        self._content, self.name = content, name
        self._at = 0
        self._failed = self.skims = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; fetches nothing."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read at least a byte, but at the end of the file; after an error no more, as PyAV has told that one."""
        if self._failed:
            return 0
        try:
            data = self._bytes(len(buffer))
        except BaseException:
            self._failed = True
            raise
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _bytes(self, most: int) -> bytes:
        if self.skims:
            return bytes(max(0, min(most, self._content.size - self._at)))
        return self._content.read_at(self._at, most)


class _Pace:
    """Whether enough comes from a server to go on."""

    def __init__(self, file: WebFile) -> None:
        self._file = file
        self._begin()

    def _begin(self) -> None:
        self._count, self._due_s = 0, time.monotonic() + READ_TIMEOUT_S

    def count(self, received: int) -> None:
        """Count bytes that came; raises InputError where there are too few for their time."""
        self._count += received
        if self._count >= _PACE_BYTES:
            self._begin()
        elif time.monotonic() > self._due_s:
            cause = f"sends {self._count} bytes in {READ_TIMEOUT_S:g} s, which is too slow"
            raise InputError(self._file, cause, CHECK_NETWORK)


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
