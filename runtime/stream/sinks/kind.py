"""What a kind of output is: the texts that it claims, its options, what it needs, and how its sink is made.

Another package adds one by an entry point in the group `pptsn.sinks` that leads to a subclass of SinkKind.  The
entry point's name is its scheme, or its suffix without the dot: so who asks for a plugin that cannot be loaded
learns why.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.options import option
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.credentials.variables import filled
from pptsn.runtime.stream.recording.fonts import FontFile
from pptsn.runtime.stream.sinks.base import MESSAGE_TYPES, Sink
from pptsn.runtime.stream.sinks.text import file_name_of

# Stands for a stream's name in the path of an annotated video.
STREAM = "{stream}"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_HOST_END = re.compile(r"[/?#]")
_QUERY = re.compile(r"\?(?=[A-Za-z_]+=)")


def _message_types(text: str) -> frozenset[str]:
    types = frozenset(name.strip() for name in text.split(","))
    if not types <= MESSAGE_TYPES.keys():
        raise ValueError(text)
    return types


def only_option(*default: str) -> Any:
    """Return the option `only`: names in MESSAGE_TYPES; default: of those that are taken if it is not given."""
    return option(
        f"Which of {', '.join(MESSAGE_TYPES)}; if not given, {', '.join(default)}.",
        default=frozenset(default),
        parse=_message_types,
        expected=f"a list of {', '.join(MESSAGE_TYPES)}",
    )


@dataclass(frozen=True)
class NoOptions:
    """The options of a kind that takes none."""


@dataclass(frozen=True)
class MessageOptions:
    """The option that all sinks of messages have."""

    only: frozenset[str] = only_option(*MESSAGE_TYPES)


@dataclass(frozen=True)
class VideoDestination:
    """Where the annotated video of each stream goes; the processes that read the streams draw and write it.

    template: a path with a video's suffix, with `{stream}` in it perhaps.
    font: of the labels; None: Pillow's own.
    """

    template: str
    font: FontFile | None = None

    @property
    def name(self) -> str:
        """What reports call it."""
        return printable(self.template)

    @property
    def per_stream(self) -> bool:
        """Whether each stream has a file of its own."""
        return STREAM in self.template

    def path_for(self, stream: str) -> Path:
        """Return the file of the stream called `stream`; what cannot stand in a file name is spelled in hex."""
        return Path(self.template.replace(STREAM, file_name_of(stream)))


Output: TypeAlias = Sink | VideoDestination
Options = TypeVar("Options")


@dataclass(frozen=True)
class Address:
    """An output without its options.

    name: what errors call it, without credentials; of a URL neither path nor query, which often are the secret.
    path: a file's path, or what follows the scheme, or the host; of a URL percent-encoded as it was given.
    scheme: in small letters, "" for a file.  host: as the network takes it, without brackets; "" if there is none.
    port: None where none was given; user, password: decoded, None where there are none.
    query: of a URL whose options follow a #, as it was given.
    secrets: the values of variables in it, which no report may hold.
    """

    name: str
    path: str
    scheme: str = ""
    host: str = ""
    port: int | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    query: str = field(default="", repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


class SinkKind(ABC, Generic[Options]):
    """A kind of output.  The registry makes one, with the name that it has there.

    A class states these as class attributes:

    help: what it is, in a few words.
    suffixes: ends of file names that are of this kind, in small letters with their dots.
    schemes: what stands before a colon, in small letters; its name where it states neither suffixes nor words.
    words: whole texts, such as "-".  title: what errors call one of these, "" if they call it by its text.
    options: a dataclass whose fields are made by `option`.  A subclass of MessageOptions lets users choose the
    types of messages; `make` need not care.
    is_url: whether //HOST follows the scheme.
    options_after: the character that options follow, "#" where a ? is the address's own.
    requirements: packages without which there is no such sink.

    A module of a kind is imported to read the command line: what it needs is imported by the sink.
    """

    help: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    schemes: tuple[str, ...] = ()
    words: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    options: type[Options] = MessageOptions  # type: ignore[assignment]
    is_url: ClassVar[bool] = False
    options_after: ClassVar[str] = "?"
    requirements: ClassVar[tuple[Requirement, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        if not (self.suffixes or self.schemes or self.words):
            self.schemes = (name,)

    @abstractmethod
    def make(self, address: Address, options: Options, *, top: int) -> Output:
        """Return the sink at `address`, not open yet; top: the leading classes of each prediction to write.

        Raises UsageError about `address.name` for what makes no sense.
        """

    @property
    def forms(self) -> tuple[str, ...]:
        """What its texts look like, for people."""
        files = (f"FILE{suffix}" for suffix in self.suffixes)
        slashes = "//" if self.is_url else ""
        return (*files, *self.words, *(f"{scheme}:{slashes}..." for scheme in self.schemes))

    def has_scheme_of(self, text: str) -> bool:
        """Return whether `text` begins with one of the schemes."""
        scheme, slashes = split_scheme(text)
        return scheme in self.schemes and (slashes or not self.is_url)

    def has_path_of(self, text: str) -> bool:
        """Return whether `text` is one of the words, or a file with one of the suffixes."""
        path, _ = split_options(text)
        return path in self.words or PurePath(path).suffix.lower() in self.suffixes

    def address_of(self, text: str) -> tuple[Address, str]:
        """Return the address and the options, `name=value&name=value`, of a text of this kind.

        Variables of the environment in it, `${NAME}`, are filled in, but those of a file's name.
        Raises UsageError, which shows no credentials, for a URL that makes no sense, or a variable that is unset.
        """
        if self.is_url:
            return _url_and_options(text, self.options_after)
        path, options = split_options(text)
        name = self.title or printable(path)
        if not self.has_scheme_of(path):
            return Address(name, path), options
        scheme, _, rest = path.partition(":")
        whole = filled(rest)
        return Address(name, whole.text, scheme.lower(), secrets=whole.secrets), options


AnyKind: TypeAlias = SinkKind[Any]


def split_scheme(text: str) -> tuple[str, bool]:
    """Return the scheme that `text` begins with, in small letters or "", and whether // follows it."""
    found = _SCHEME.match(text)
    return (found[1].lower(), bool(found[2])) if found else ("", False)


def split_options(text: str) -> tuple[str, str]:
    """Return a path and the options after it; a `?` that no option follows belongs to the path."""
    found = _QUERY.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _url_and_options(text: str, options_after: str) -> tuple[Address, str]:
    scheme, _ = split_scheme(text)
    location, _, options = text.partition(options_after)
    whole = filled(location)
    try:
        parts = urlsplit(whole.text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
    except ValueError:  # its text may show a part of a password
        host, port = "", None
    if not host or port == 0:
        remedy = "expected [USER:PASSWORD@]HOST[:PORT]/..., with / ? # @ : in USER and PASSWORD as %2F and so on"
        raise UsageError("--output", f"no valid address after {scheme}://", remedy)
    written = _HOST_END.split(location.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    name = f"{scheme}://{written if '${' in written else host_and_port(host, port)}"
    if "#" in text and options_after != "#":
        raise UsageError(name, "has a part after #", "options follow a ?; # in a password is %23")
    address = Address(
        name,
        parts.path,
        scheme,
        host,
        port,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        parts.query,
        whole.secrets,
    )
    return address, options


def _ascii_host(host: str) -> str:
    """Return a host name as the network takes it; raises ValueError where it is none."""
    return host if ":" in host or not host else host.encode("idna").decode()


def host_and_port(host: str, port: int | None) -> str:
    """Return them as a URL has them."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"
