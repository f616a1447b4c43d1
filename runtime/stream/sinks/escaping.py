"""Stream names where not every character may stand: in file names and MQTT topics.

Such a character is spelled as % and its bytes in hexadecimal, and so is % itself: different streams never meet.
"""

from __future__ import annotations

from pptsn.runtime.classify.results import printable


def file_name_of(stream: str) -> str:
    """Return a stream's name as a part of a file name: without `/`, and not hidden."""
    name = _escaped(stream, "/\\")
    return "%2E" + name[1:] if name.startswith(".") else name


def topic_level_of(stream: str) -> str:
    """Return a stream's name as one level of an MQTT topic: without `/`, `+` and `#`."""
    return _escaped(stream, "/+#")


def _escaped(text: str, forbidden: str) -> str:
    text = printable(text)
    return "".join(_hex(c) if c in forbidden or c == "%" or not (c.isprintable()) else c for c in text) or "%"


def _hex(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "backslashreplace"))
