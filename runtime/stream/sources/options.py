"""What a source's query may ask for, `?fps=25&size=640x480`: the options that several kinds have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pptsn.runtime.base.options import number, option, whole

_MAX_SIDE_PX = 16384
_WORD = re.compile(r"[A-Za-z0-9_.,+-]+")


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(text)
    return text.strip()


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    side = whole(1, _MAX_SIDE_PX)
    return side(width), side(height)


@dataclass(frozen=True)
class SourceOptions:
    """The options of any source; None where they were not given.

    timeout_s: for connecting, and for each wait for data, of the kinds that have such an option.
    """

    name: str | None = option(
        "What the stream is called.", default=None, parse=_printable, expected="a printable text"
    )
    timeout_s: float | None = None


def timeout_option() -> Any:
    """Return the field of the option `timeout`."""
    return option(
        "Seconds to wait for the connection, and for data.",
        name="timeout",
        default=None,
        parse=number(0.1, 3600, "seconds"),
    )


def fps_option(help: str) -> Any:
    """Return the field of the option `fps`."""
    return option(help, default=None, parse=number(0.01, 1000, "frames a second"))


def size_option(help: str) -> Any:
    """Return the field of the option `size`: (width, height) in pixels."""
    expected = f"WIDTHxHEIGHT, each 1 to {_MAX_SIDE_PX} pixels"
    return option(help, default=None, parse=_size, expected=expected)


def threads_option() -> Any:
    """Return the field of the option `threads`."""
    return option("Threads of the decoder.", default=None, parse=whole(1, 64))


def format_option(help: str) -> Any:
    """Return the field of the option `format`."""
    return option(help, default=None, parse=_word, expected="a name of FFmpeg's, such as rawvideo or mjpeg")


def pixel_format_option() -> Any:
    """Return the field of the option `pixel_format`."""
    expected = "a name of FFmpeg's, such as rgb24 or yuyv422"
    return option("Pixel format of raw video.", default=None, parse=_word, expected=expected)


def raw_video_options(fps: float | None, size: tuple[int, int] | None, pixel_format: str | None) -> dict[str, str]:
    """Return FFmpeg's names and values of the options that are given."""
    wanted = {
        "framerate": fps and f"{fps:g}",
        "video_size": size and "x".join(map(str, size)),
        "pixel_format": pixel_format,
    }
    return {name: str(value) for name, value in wanted.items() if value}
