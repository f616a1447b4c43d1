"""How messages read, as a line for people and as JSON for programs; and stream names as parts of other names."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from functools import partial
from typing import Any

from pptsn.runtime.base.errors import one_line, spelled_json
from pptsn.runtime.base.files import printable
from pptsn.runtime.stream.actions.messages import ActionEvent, StreamNotice

_UNITS_S = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration_text(seconds: float) -> str:
    """Return a duration as people say it, in its two largest units: "0.4 s", "12 s", "3 min 20 s", "2 d 4 h"."""
    if not math.isfinite(seconds):
        return "?"
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    rest = round(max(0.0, seconds))
    parts = []
    for unit, length_s in _UNITS_S:
        count, rest = divmod(rest, length_s)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def clock_text(wall_time: float) -> str:
    """Return a Unix time as the local time of day: "14:03:09"."""
    return datetime.fromtimestamp(wall_time).astimezone().strftime("%H:%M:%S")


def utc_text(wall_time: float) -> str:
    """Return a Unix time as ISO 8601 in UTC, to the millisecond: "2026-01-31T14:03:09.120Z"."""
    return (
        datetime.fromtimestamp(wall_time, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def event_text(event: ActionEvent) -> str:
    """Return what an event says, without its stream: "dancing ended after 12 s (peak 0.95, mean 0.80)"."""
    label = one_line(event.label)
    if event.end_s is None:
        return f"{label} {event.phase} (score {event.peak_score:.2f})"
    lasted = duration_text(event.end_s - event.start_s)
    return f"{label} {event.phase} after {lasted} (peak {event.peak_score:.2f}, mean {event.mean_score:.2f})"


def notice_text(notice: StreamNotice) -> str:
    """Return what a notice says, without its stream: "retrying: connection refused"."""
    detail = one_line(notice.detail)
    return f"{notice.state}: {detail}" if detail else notice.state


def news_line(message: ActionEvent | StreamNotice) -> str:
    """Return an event or a notice as one line: "front door: dancing started (score 0.91)"."""
    text = event_text(message) if isinstance(message, ActionEvent) else notice_text(message)
    return f"{one_line(message.stream)}: {text}"


def wall_time_of(message: ActionEvent | StreamNotice) -> float:
    """Return the Unix time of what an event or a notice tells."""
    if isinstance(message, StreamNotice):
        return message.wall_time
    return message.start_wall_time if message.end_wall_time is None else message.end_wall_time


def json_text(value: Any, *, compact: bool = False) -> str:
    """Return `value` as JSON on one line; compact: without spaces, and in ASCII.

    It is valid JSON whatever comes: numbers that are none become null, bytes that are no UTF-8 are spelled out.
    """
    dumps = partial(json.dumps, allow_nan=False, ensure_ascii=compact, separators=(",", ":") if compact else None)
    try:
        text = dumps(value)
        text.encode()
    except ValueError:  # rare, so that only what needs it pays for the cleaning
        text = dumps(_clean(value))
    return spelled_json(text)


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def file_name_of(stream: str) -> str:
    """Return a stream's name as a part of a file name: without `/`, and not hidden.

    What cannot stand there is spelled as % and its bytes in hexadecimal, and so is % itself: different streams
    never meet.
    """
    name = _escaped(stream, "/\\")
    return "%2E" + name[1:] if name.startswith(".") else name


def topic_level_of(stream: str) -> str:
    """Return a stream's name as one level of an MQTT topic: without `/`, `+` and `#`, which are spelled alike."""
    return _escaped(stream, "/+#")


def _escaped(text: str, forbidden: str) -> str:
    text = printable(text)
    return "".join(_hex(c) if c in forbidden or c == "%" or not (c.isprintable()) else c for c in text) or "%"


def _hex(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "backslashreplace"))
