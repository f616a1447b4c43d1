"""Running a pipeline in tests and keeping all that it says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pptsn.runtime.engines import open_engine
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.health.snapshots import StreamHealth
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sources.uri import parse_source
from tests.waiting import WAIT_S


class Keeper(Sink):
    """Keeps messages, for a test to look at while they come."""

    name = "keeper"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._changed = threading.Condition()

    def write(self, message: Message) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def close(self) -> None:
        pass

    def wait_for(
        self, wanted: Callable[[Message], object], *, after: int = 0, timeout_s: float = WAIT_S
    ) -> Message:
        """Return the first message from number `after` on that is wanted."""
        found: list[Message] = []

        def look() -> bool:
            found.extend(m for m in self.messages[after:] if wanted(m))
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(look, timeout_s):
                raise TimeoutError(f"not among {[m.to_dict(top=1) for m in self.messages[after:]][-10:]}")
        return found[0]

    def notices(self, stream: str | None = None) -> list[tuple[str, str]]:
        """Return (state, detail) of each notice."""
        return [
            (m.state, m.detail)
            for m in self.messages
            if isinstance(m, StreamNotice) and stream in (None, m.stream)
        ]


@dataclass
class Run:
    """A pipeline that has ended."""

    exit_code: int
    health: tuple[StreamHealth, ...]
    messages: list[Message] = field(repr=False)

    def of(self, stream: str) -> list[Message]:
        return [message for message in self.messages if message.stream == stream]

    def predictions(self, stream: str) -> list[StreamPrediction]:
        return [message for message in self.of(stream) if isinstance(message, StreamPrediction)]

    def events(self, stream: str) -> list[ActionEvent]:
        return [message for message in self.of(stream) if isinstance(message, ActionEvent)]

    def notices(self, stream: str) -> list[tuple[str, str]]:
        return [(m.state, m.detail) for m in self.of(stream) if isinstance(m, StreamNotice)]


def run_streams(
    model: Path,
    sources: Sequence[str | Path],
    settings: StreamSettings,
    rules: DecisionRules | None = None,
    *,
    timeout_s: float = 60,
    **options: Any,
) -> Run:
    """Run all `sources` to their end."""
    keeper = Keeper()
    with (
        open_engine(model, device="cpu") as engine,
        StreamPipeline(engine, settings, rules, **options) as pipeline,
    ):
        pipeline.add_sink(keeper)
        for source in sources:
            pipeline.add(parse_source(str(source)))
        pipeline.start()
        assert pipeline.wait(timeout_s), [health.to_dict() for health in pipeline.health()]
        health = pipeline.health(whole_run=True)
        code = pipeline.exit_code
    return Run(code, health, keeper.messages)
