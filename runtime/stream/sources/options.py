"""What a source's query may ask for: `?fps=25&size=640x480`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from pptsn.runtime.base.errors import UsageError

TRANSPORTS = ("tcp", "udp")
PATTERNS = ("bars", "noise", "still")
_MAX_SIDE_PX = 16384
_MAX_FRAMES = 10**12
_WORD = re.compile(r"[A-Za-z0-9_.,+-]+")


@dataclass(frozen=True)
class SourceOptions:
    """The options of a source; None where they were not given.

    name: what the stream is called.  timeout_s: for connecting, and for each wait for data.
    fps: frames a second of a source without timestamps, or to ask a camera for.  size: (width, height) in pixels.
    transport: of RTSP.  format: FFmpeg's name of the container on standard input, or of a camera's coding (mjpeg).
    pixel_format: of raw video.  threads: of the decoder.
    frames, seconds, seed, pattern, live: of synthetic pictures.
    """

    name: str | None = None
    timeout_s: float | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    transport: str | None = None
    format: str | None = None
    pixel_format: str | None = None
    threads: int | None = None
    frames: int | None = None
    seconds: float | None = None
    seed: int | None = None
    pattern: str | None = None
    live: bool = False


# What a query calls the options, by kind of source.
_OPTIONS_OF: dict[str, tuple[str, ...]] = {
    "file": ("fps", "name", "threads"),
    "folder": ("fps", "name"),
    "device": ("format", "fps", "name", "pixel_format", "size", "threads", "timeout"),
    "rtsp": ("name", "threads", "timeout", "transport"),
    "rtmp": ("name", "threads", "timeout"),
    "http": ("name", "threads", "timeout"),
    "gst": ("name", "timeout"),
    "stdin": ("format", "fps", "name", "pixel_format", "size", "threads"),
    "synthetic": ("fps", "frames", "live", "name", "pattern", "seconds", "seed", "size"),
}


def option_names(kind: str) -> tuple[str, ...]:
    """Return the names of the options that a source of this kind takes."""
    return _OPTIONS_OF[kind]


def parse_options(kind: str, query: str, *, thing: str) -> SourceOptions:
    """Return the options that `query` (`name=value&name=value`) sets for a source of `kind`.

    Raises UsageError about `thing` for an unknown or repeated option and for a value out of range.
    """
    return options_from(kind, (part for part in query.split("&") if part), thing=thing)


def options_from(kind: str, parts: Iterable[str], *, thing: str) -> SourceOptions:
    """Return the options that `parts`, each `name=value`, set; raises as `parse_options` does."""
    fields: dict[str, Any] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name not in _OPTIONS_OF[kind]:
            known = ", ".join(_OPTIONS_OF[kind])
            raise UsageError(thing, f"unknown option {name!r}", f"expected one of {known}")
        field, parse, expected = _PARSERS[name]
        if field in fields:
            raise UsageError(thing, f"the option {name} is given twice", "give it once")
        try:
            fields[field] = parse(unquote_plus(value))
        except (ValueError, OverflowError):
            raise UsageError(thing, f"{name}={value} is out of range", f"expected {expected}") from None
    return SourceOptions(**fields)


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not (math.isfinite(number) and low <= number <= high):
            raise ValueError(text)
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if len(text) > len(str(high)) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return parse


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    side = _whole(1, _MAX_SIDE_PX)
    return side(width), side(height)


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return parse


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(text)
    return text.strip()


def _switch(text: str) -> bool:
    return _one_of(("0", "1"))(text) == "1"


# By the name in a query: the field, what makes a value of its text, and what that text should be.
_PARSERS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "name": ("name", _name, "a printable text"),
    "timeout": ("timeout_s", _number(0.1, 3600), "0.1 to 3600 seconds"),
    "fps": ("fps", _number(0.01, 1000), "0.01 to 1000 frames a second"),
    "size": ("size", _size, f"WIDTHxHEIGHT, each 1 to {_MAX_SIDE_PX} pixels"),
    "transport": ("transport", _one_of(TRANSPORTS), " or ".join(TRANSPORTS)),
    "format": ("format", _word, "a name of FFmpeg's, such as rawvideo or mjpeg"),
    "pixel_format": ("pixel_format", _word, "a name of FFmpeg's, such as rgb24 or yuyv422"),
    "threads": ("threads", _whole(1, 64), "1 to 64"),
    "frames": ("frames", _whole(1, _MAX_FRAMES), f"1 to {_MAX_FRAMES}"),
    "seconds": ("seconds", _number(0.001, 1e9), "0.001 to 1e9 seconds"),
    "seed": ("seed", _whole(0, 2**32 - 1), "0 to 4294967295"),
    "pattern": ("pattern", _one_of(PATTERNS), ", ".join(PATTERNS)),
    "live": ("live", _switch, "0 or 1"),
}
