"""What one run of `pptsn stream` is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.stream.actions.thresholds import EventSettings
from pptsn.runtime.stream.pipeline.settings import StreamSettings

_PANEL = "Outputs"
# Gives the password of the page where no argument does, which `ps` would show.
TOKEN_VARIABLE = "PPTSN_HTTP_TOKEN"  # noqa: S105 - a name


def _outputs_help() -> str:
    from pptsn.runtime.stream.sinks.registry import outputs_help

    return f"Where results go; any number: {outputs_help()}."


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Where results go, as a user states it.  Raises UsageError for a `top` that makes no sense.

    outputs: destinations in the grammar of `--output`.  http: HOST:PORT of the web page; None: there is none.
    http_token: its password.  top: classes to show of each prediction.
    """

    outputs: tuple[str, ...] = option(_outputs_help, "--output", "-o", default=(), panel=_PANEL)
    http: str | None = option("Web page and /metrics at HOST:PORT, as 127.0.0.1:8080.", default=None, panel=_PANEL)
    http_token: str | None = option(
        "Password of the page; needed where other machines can reach it.",
        default=None,
        panel=_PANEL,
        envvar=TOKEN_VARIABLE,
    )
    top: int = option("Classes to show of each prediction.", default=3, panel=_PANEL, least=1)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """What to classify, by which model, how, and where the results go.

    sources: in the grammar of `pptsn stream`.
    """

    sources: Sequence[str]
    model: str
    runner: EngineSettings = field(default_factory=EngineSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    events: EventSettings = field(default_factory=EventSettings)
    settings: StreamSettings = field(default_factory=StreamSettings)
