"""The published ways of testing a model, by name: which frames, resized how, and which crops of them."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How clips are looked at.

    sampling: a name in `SAMPLING_RULES`.  resize_rule: one of RESIZE_RULES.  segments: frames of a clip.  views: a
    name in VIEW_PLANS.
    """

    sampling: str
    resize_rule: str
    segments: int = 25
    views: str = "ten"


# Of the original: its test configurations for extracted frames and for video files, and its prediction of a file.
PROTOCOLS = {
    "frames": Protocol(sampling="centre", resize_rule="keep_aspect"),
    "videos": Protocol(sampling="linspace", resize_rule="keep_aspect_floor"),
    "predict": Protocol(sampling="centre", resize_rule="fixed_ratio"),
}


def protocol_called(name: str) -> Protocol:
    """Return the protocol of that name; raises UsageError that lists those there are."""
    if name not in PROTOCOLS:
        raise UsageError("--protocol", f"unknown protocol {name!r}", f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def name_of(protocol: Protocol) -> str | None:
    """Return the name of a published `protocol`, None for any other."""
    return next((name for name, published in PROTOCOLS.items() if published == protocol), None)
