"""What rows of JSON tell those who make a page or a table of them, checked: people change files by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec


class ChangedRowError(ValueError):
    """A row that lacks what every row has, or has something else there; it says what, in a phrase."""


class _Class(msgspec.Struct):
    class_id: int
    label: str


class _Leading(_Class):
    score: float


class _Times(msgspec.Struct):
    decode: float
    inference: float
    total: float


class _Frame(msgspec.Struct):
    frame: int
    time_s: float | None
    part: float


class _Crop(msgspec.Struct):
    crop: str
    part: float


class _Evidence(_Class):
    logit: float
    frames: list[_Frame]
    crops: list[_Crop]


class _Failure(msgspec.Struct, kw_only=True):
    source: str
    error: str
    truth: _Class | None = None


class _Answer(msgspec.Struct, kw_only=True):
    source: str
    frames: int
    duration_s: float | None
    top: Annotated[list[_Leading], msgspec.Meta(min_length=1)]
    margin: float
    timing_ms: _Times
    truth: _Class | None = None
    right: bool | None = None
    lost_frames: int | None = None
    warnings: list[str] | None = None
    evidence: _Evidence | None = None


def require_told(fields: Mapping[str, Any]) -> None:
    """Raise ChangedRowError where a row with these fields lacks what it has to tell, its terms and stamp aside."""
    kind = _Answer if fields.get("error") is None else _Failure
    try:
        msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ChangedRowError(str(error)) from error
