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
from dataclasses import dataclass

from pptsn.runtime.base.caches import cache_folder
from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.credentials.redaction import redacted, secrets_in
from pptsn.runtime.credentials.variables import Filled, filled
from pptsn.runtime.stream.sources.base import AnyKind, OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.options import SourceOptions, timeout_option

_TEXT = re.compile(r"gst(?:\[([^\]]*)\])?:(.*)", re.IGNORECASE | re.DOTALL)
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
# How long packets are waited for that the network brings out of order.
_JETSON_LATENCY_MS = 100
# As much as the system lets a pipe hold without being asked.
_BUFFER_BYTES = 65536
# "ERROR: from element /GstPipeline:pipeline0/GstV4l2Src:v4l2src0: Cannot ..." becomes "v4l2src0: Cannot ...".
_ERROR = re.compile(r"(?:ERROR: from element \S*:(?=\S)|WARNING: erroneous pipeline: |ERROR: )(.+)")


@dataclass(frozen=True)
class GstOptions(SourceOptions):
    """The options of a pipeline; they stand before the colon."""

    timeout_s: float | None = timeout_option()


class GstKind(SourceKind[GstOptions]):
    """The raw video of a GStreamer command, which is taken word for word."""

    form = "'gst:PIPELINE'"
    help = "GStreamer, without a sink; options as gst[timeout=9]:PIPELINE"
    options = GstOptions
    schemes = ("gst:",)
    is_live = True
    requirements = (Requirement(_PROGRAM, "sources gst:PIPELINE", f"apt-get install {_PACKAGE}", is_program=True),)

    def claims(self, text: str) -> bool:
        """Whether `text` is gst: or gst[...]: and a pipeline."""
        return _TEXT.fullmatch(text) is not None

    def parse(self, text: str) -> SourceUri:
        """Return the pipeline, with what it holds of credentials out of sight."""
        match = _TEXT.fullmatch(text)
        query, pipeline = (match[1] or "", match[2].strip()) if match else ("", "")
        display = f"gst:{redacted(pipeline, secrets=secrets_in(pipeline))}"
        if not pipeline:
            raise UsageError("gst:", "there is no pipeline", "expected gst:ELEMENT ! ELEMENT, without a sink")
        return self.uri(pipeline, query, display=printable(display))

    def fill(self, target: str) -> Filled:
        """Return the pipeline with the values of its variables, each of which stays within its word."""
        if "${" not in target:
            return Filled(target)
        with contextlib.suppress(ValueError):  # told where it is opened
            words = [filled(word) for word in shlex.split(target)]
            secrets = frozenset[str]().union(*(word.secrets for word in words))
            return Filled(shlex.join(word.text for word in words), secrets)
        return Filled(target)

    def open(self, uri: SourceUri, options: GstOptions, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Start the pipeline and open its video; see `open_pipeline`."""
        return open_pipeline(self, uri, uri.target, timeout_s=timeout_s)


def jetson_pipeline(address: str, *, transport: str) -> str:
    """Return the pipeline that has a Jetson's decoder decode the RTSP stream at `address`."""
    return (
        f"rtspsrc location={shlex.quote(address)} protocols={transport} latency={_JETSON_LATENCY_MS} "
        "! application/x-rtp,media=video ! parsebin ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=I420"
    )


def open_pipeline(kind: AnyKind, uri: SourceUri, pipeline: str, *, timeout_s: float) -> OpenSource:
    """Start `pipeline`, which is what `uri` of `kind` stands for, and open its video.

    Raises MissingDependencyError without GStreamer, and InputError with the first error that it reports, without
    credentials, where it does not run.
    """
    import av
    import av.error

    from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
    from pptsn.runtime.video.container import open_options

    program = GstProgram(uri.display, pipeline)
    pipe = TimedPipe(program.descriptor, timeout_s)
    try:
        container = av.open(pipe, format="matroska", buffer_size=_BUFFER_BYTES, **open_options())
        return DemuxedSource(
            kind,
            uri,
            video_in(uri, container),
            live=True,
            timeout_s=timeout_s,
            on_close=program.close,
            reported=lambda: _reported(kind, uri, program),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        with program:
            raise _refusal(kind, uri, program, error, timeout_s) from None
    except BaseException:
        program.close()
        raise


def _refusal(kind: AnyKind, uri: SourceUri, program: GstProgram, error: Exception, timeout_s: float) -> InputError:
    from pptsn.runtime.stream.sources.refusals import is_timeout, refusal

    if is_timeout(error):
        return refusal(kind, uri, error, timeout_s=timeout_s)
    reported = _reported(kind, uri, program)
    return reported or InputError(uri.display, "ended without a frame", f"try it with {_PROGRAM}")


def _reported(kind: AnyKind, uri: SourceUri, program: GstProgram) -> InputError | None:
    """Return what the program reported, without credentials; None where it did not."""
    error = program.error()
    if not error:
        return None
    return InputError(uri.display, redacted(error, secrets=kind.secrets(uri)), f"try it with {_PROGRAM}")


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


def _places() -> dict[str, str]:
    """Return where GStreamer keeps its list of plugins, and Orc, for a moment each, the code that it makes.

    Without a folder for the run of a session, as in a container, Orc's place would be the home.
    """
    folder = cache_folder("gstreamer")
    with contextlib.suppress(OSError):  # each does without
        folder.mkdir(parents=True, exist_ok=True)
    return {"GST_REGISTRY": str(folder / "registry.bin"), "XDG_RUNTIME_DIR": str(folder)}


class GstProgram(Closing):
    """A running `gst-launch-1.0`.

    display: what errors are about.  descriptor: where its video is read; closed with the program.
    """

    def __init__(self, display: str, pipeline: str) -> None:
        arguments = _arguments(display, pipeline)
        self.descriptor, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*arguments, f"fd={write_end}"],
                env={**_places(), **os.environ},
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


def _arguments(display: str, text: str) -> list[str]:
    program = shutil.which(_PROGRAM)
    if program is None:
        raise MissingDependencyError(display, f"{_PROGRAM} is missing", f"apt-get install {_PACKAGE}")
    try:
        pipeline = shlex.split(text)
    except ValueError as error:
        raise InputError(display, f"cannot be split into words ({error})", "check its quotes") from None
    guard = _DIE_WITH_PARENT if shutil.which(_DIE_WITH_PARENT[0]) else ()
    return [*guard, program, "-q", *pipeline, *_TAIL]
