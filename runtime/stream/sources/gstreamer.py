"""The raw video of a GStreamer command, through a pipe: how the CSI cameras of a Jetson come."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator

import av
import av.error

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.sources.base import Captured, OpenSource
from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
from pptsn.runtime.stream.sources.redaction import redacted, secrets_in
from pptsn.runtime.stream.sources.refusals import is_timeout, refusal
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.container import OpenVideo, open_options

_PROGRAM = "gst-launch-1.0"
_PACKAGE = "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
# Raw pictures in Matroska, which keeps their timestamps and size.
_TAIL = shlex.split("! videoconvert ! video/x-raw,format=I420 ! matroskamux streamable=true ! fdsink")
# A capture process may die at any time: the program must not outlive it, with the camera in its hands.  (Linux
# minds the thread that started it: that must live as long as the source.)
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
# How long the program may take to end by itself, in seconds, and how long to wait for its last words.
_END_S = 1.0
_LAST_WORDS_S = 0.5
_LINE_BYTES = 4096
# As much as the system lets a pipe hold without being asked.
_BUFFER_BYTES = 65536
# "ERROR: from element /GstPipeline:pipeline0/GstV4l2Src:v4l2src0: Cannot ..." becomes "v4l2src0: Cannot ...".
_ERROR = re.compile(r"(?:ERROR: from element \S*:(?=\S)|WARNING: erroneous pipeline: |ERROR: )(.+)")


def open_pipeline(uri: SourceUri, *, timeout_s: float) -> OpenSource:
    """Start the pipeline and open its video.

    Raises MissingDependencyError without GStreamer, and InputError with the first error that it reports, without
    credentials, where it does not run.
    """
    program = GstProgram(uri)
    pipe = TimedPipe(program.descriptor, timeout_s)
    try:
        container = av.open(pipe, format="matroska", buffer_size=_BUFFER_BYTES, **open_options())
        video = video_in(uri, container)
        return PipelineSource(uri, video, program, timeout_s=timeout_s)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        with program:
            raise _opening_refusal(uri, program, error, timeout_s) from None
    except BaseException:
        program.close()
        raise


class PipelineSource(DemuxedSource):
    """The video of a running `program`, which is ended with the source."""

    def __init__(self, uri: SourceUri, video: OpenVideo, program: GstProgram, *, timeout_s: float) -> None:
        super().__init__(uri, video, live=True, timeout_s=timeout_s, on_close=program.close)
        self._program = program

    def frames(self) -> Iterator[Captured]:
        """Yield the frames; raises InputError with what the program reported where it failed."""
        try:
            yield from super().frames()
        except InputError:
            self._raise_reported()
            raise
        self._raise_reported()

    def _raise_reported(self) -> None:
        error = self._program.error()
        if error:
            raise _reported(self._uri, error) from None


class TimedPipe:
    """The reading end of a pipe for PyAV; reading raises TimeoutError where nothing comes for `timeout_s`."""

    def __init__(self, descriptor: int, timeout_s: float) -> None:
        self._descriptor = descriptor
        self._timeout_s = timeout_s

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are some; none at the end."""
        ready, _, _ = select.select([self._descriptor], [], [], self._timeout_s)
        if not ready:
            raise TimeoutError
        return os.read(self._descriptor, size)


class GstProgram(Closing):
    """A running `gst-launch-1.0`.  descriptor: where its video is read; closed with the program."""

    def __init__(self, uri: SourceUri) -> None:
        arguments = _arguments(uri)
        self.descriptor, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*arguments, f"fd={write_end}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(write_end,),
            )
        except BaseException:
            os.close(self.descriptor)
            raise
        finally:
            os.close(write_end)
        self._error = ""
        self._listener = threading.Thread(target=self._listen, name="gst-launch", daemon=True)
        self._listener.start()

    def error(self) -> str:
        """Return the first error that the program reported, or ""; waits for it a moment."""
        self._listener.join(_LAST_WORDS_S)
        return self._error

    def close(self) -> None:
        """End the program; a second call does nothing."""
        if self.descriptor < 0:
            return
        os.close(self.descriptor)
        self.descriptor = -1
        for end in (self._process.terminate, self._process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
                break
        self._listener.join(_LAST_WORDS_S)

    def _listen(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            return
        with stderr:
            while line := stderr.readline(_LINE_BYTES):
                match = _ERROR.match(line.decode("utf-8", "replace"))
                if match and not self._error:
                    self._error = match[1].strip(". \n")


def _arguments(uri: SourceUri) -> list[str]:
    program = shutil.which(_PROGRAM)
    if program is None:
        raise MissingDependencyError(uri.display, f"{_PROGRAM} is missing", f"apt-get install {_PACKAGE}")
    try:
        pipeline = shlex.split(uri.target)
    except ValueError as error:
        raise InputError(uri.display, f"cannot be split into words ({error})", "check its quotes") from None
    guard = _DIE_WITH_PARENT if shutil.which(_DIE_WITH_PARENT[0]) else ()
    return [*guard, program, "-q", *pipeline, *_TAIL]


def _opening_refusal(uri: SourceUri, program: GstProgram, error: Exception, timeout_s: float) -> InputError:
    if is_timeout(error):
        return refusal(uri, error, timeout_s=timeout_s)
    reported = program.error()
    if reported:
        return _reported(uri, reported)
    return InputError(uri.display, "ended without a frame", f"try it with {_PROGRAM}")


def _reported(uri: SourceUri, error: str) -> InputError:
    return InputError(uri.display, redacted(error, secrets=secrets_in(uri.target)), f"try it with {_PROGRAM}")
