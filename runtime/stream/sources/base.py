"""What a kind of source is: its grammar and its options before it is open, its frames after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from urllib.parse import unquote_plus

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.options import parse_options
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.credentials.redaction import redacted, secrets_in
from pptsn.runtime.credentials.variables import Filled, filled
from pptsn.runtime.stream.sources.options import SourceOptions

if TYPE_CHECKING:
    import av

Options = TypeVar("Options", bound=SourceOptions)


@dataclass(frozen=True, eq=False)
class Captured:
    """A decoded frame.

    frame: as the decoder gave it, not yet upright or RGB.
    pts_s: presentation time in seconds on the source's own clock, as stated, or by arrival where it has none.
    captured_s: `time.monotonic()` when the packet that the frame came out with had arrived.
    damaged: whether its source knows that it is, though the frame is not marked so.
    """

    frame: av.VideoFrame
    pts_s: float
    captured_s: float
    damaged: bool = False

    @property
    def is_damaged(self) -> bool:
        """Whether some of it is made up."""
        return self.damaged or bool(self.frame.is_corrupt)


class OpenSource(Closing, ABC):
    """An open source, read by one thread.  Only its own process can end a read that hangs.

    live: whether it happens now; a file, or standard input, waits for its reader.
    frame_rate: frames a second as the source states them, or None.  coded_rate: as the codec of its pictures does,
    which knows nothing of timestamps, or None.  duration_s: a file's length, or None.
    decode_errors: packets so far that could not be decoded.
    pixel_aspect: how much wider than high a pixel is to be shown.
    codec: FFmpeg's name of the decoder, "" where it is not known.
    notes: what a user should know of how it is read; grows.
    """

    live: bool
    frame_rate: float | None
    coded_rate: float | None = None
    duration_s: float | None
    decode_errors: int = 0
    pixel_aspect: float = 1.0
    codec: str = ""
    notes: tuple[str, ...] = ()

    @property
    def awaits_key(self) -> bool:
        """Whether data come of which nothing can be shown yet, for no longer than that may take."""
        return False

    @abstractmethod
    def frames(self) -> Iterator[Captured]:
        """Yield frames in the order of presentation until the source ends.

        Corrupt packets are counted and passed over.  Raises InputError where the source fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what is held; a second call does nothing."""


@dataclass(frozen=True)
class SourceUri:
    """A source, as the grammar has it.  Goes to other processes: it carries the name of its kind alone.

    kind: its name in the registry.  target: what is opened: a path, an URL with its credentials and without our
    options, the text of a pipeline, "" for standard input and synthetic pictures.
    display: what reports may show, without credentials, and with the names of variables in place of their values.
    hidden: what else no report may show: the values of those variables.
    is_live_kind: whether it is to be opened again where it ends: it happens now, and has no end of its own.
    """

    kind: str
    target: str = field(repr=False)
    display: str
    options: SourceOptions = field(default_factory=SourceOptions)
    is_live_kind: bool = False
    hidden: frozenset[str] = field(default=frozenset(), repr=False)


class SourceKind(ABC, Generic[Options]):
    """A kind of source.  The registry makes one, with the name that it has there.

    A class states these as class attributes:

    form: how it is written, as `rtsp://HOST/PATH`.  help: what it is, in a few words.
    options: the dataclass of its query's options.
    schemes: what an address of this kind begins with, for who asks which there are.
    is_path: its text is a path: folders, patterns and lists of relative paths stand for several.
    is_live: it happens now.
    is_patient: once it is open it may take its time: a pipe whose writer pauses, a disk that sleeps.
    is_endless: where it happens now, its end is a failure: that of a camera, not that of a pipeline.
    is_exclusive: one stream alone can read it at a time.
    reads_stdin: `open` needs standard input's descriptor.
    silence_remedy: what to do where nothing comes.  unopened, unopened_remedy: the error where it cannot be opened
    and nothing more is known.
    requirements: what it needs of the machine beside the runtime's own packages, for `pptsn doctor`.

    A module of a kind is imported to read the command line: what decodes is imported by `open`.
    """

    form: ClassVar[str] = ""
    help: ClassVar[str] = ""
    options: type[Options] = SourceOptions  # type: ignore[assignment]
    schemes: ClassVar[tuple[str, ...]] = ()
    is_path: ClassVar[bool] = False
    is_live: ClassVar[bool] = False
    is_patient: ClassVar[bool] = False
    is_endless: ClassVar[bool] = False
    is_exclusive: ClassVar[bool] = False
    reads_stdin: ClassVar[bool] = False
    silence_remedy: ClassVar[str] = "check that the source runs"
    unopened: ClassVar[str] = "cannot be opened"
    unopened_remedy: ClassVar[str] = "check that it is a video"
    requirements: ClassVar[tuple[Requirement, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def claims(self, text: str) -> bool:
        """Whether `text` names a source of this kind.  A plugin's is always written `NAME:...`."""
        return text.lower().startswith(f"{self.name}:")

    def parse(self, text: str) -> SourceUri:
        """Return the source that `text`, which it claims, names; as it stands here, of `NAME:TARGET?OPTIONS`.

        Looks at the file system at most.  Raises UsageError, without credentials, for what makes no sense.
        """
        target, _, query = text.partition(":")[2].partition("?")
        return self.uri(target, query, display=printable(redacted(text)))

    def uri(self, target: str, query: str, *, display: str, thing: str = "") -> SourceUri:
        """Return the source at `target` with the options in `query` (`name=value&name=value`).

        target: variables of the environment in it are filled in.  thing: what errors are about; `display` if "".
        Raises UsageError as `parse_options` and `filled` do.
        """
        whole = self.fill(target)
        parts = (part for part in query.split("&") if part)
        options = parse_options(self.options, parts, thing=thing or display, unquote=unquote_plus)
        is_live = self.is_live_at(whole.text, options)
        return SourceUri(self.name, whole.text, display, options, is_live, whole.secrets)

    def fill(self, target: str) -> Filled:
        """Return `target` with the values of the variables `${NAME}` in it, which a path keeps in its name.

        Raises UsageError for a variable that is not set.
        """
        return Filled(target) if self.is_path else filled(target)

    def is_live_at(self, target: str, options: Options) -> bool:
        """Whether the source at `target` happens now, as far as can be told before it is open."""
        return self.is_live

    def stream_name(self, uri: SourceUri) -> str:
        """Return what to call a stream of `uri` that was given no name; it is made safe and unique later."""
        return self.name

    def secrets(self, uri: SourceUri) -> frozenset[str]:
        """Return the credentials in `uri`, which no report may hold."""
        return secrets_in(uri.target) | uri.hidden

    def file_of(self, uri: SourceUri) -> Path | None:
        """Return the video file that `uri` is, or None."""
        return None

    @abstractmethod
    def open(self, uri: SourceUri, options: Options, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Open `uri`; see `pptsn.runtime.stream.sources.registry.open_source`.  options: those of `uri`."""


AnyKind = SourceKind[Any]
