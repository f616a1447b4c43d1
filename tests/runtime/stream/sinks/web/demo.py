"""The web page with streams that are not there, to look at: python -m tests.runtime.stream.sinks.web.demo."""

from __future__ import annotations

import argparse
import math
import threading
import time
from collections.abc import Sequence

import numpy as np

from pptsn.runtime.stream.actions.messages import ActionEvent, Message
from pptsn.runtime.stream.health.snapshots import SinkHealth
from pptsn.runtime.stream.sinks.web.address import parse_http_address
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web import scenes
from tests.runtime.stream.sinks.web.fake_pipeline import LABELS, FakePipeline

NAMES = ("entrance", "gym-north", "gym-south", "corridor", "lobby", "yard")
_PICTURES_PER_S = 8
_EVERY_S = 0.5
_PAST_S = 170


class Demo:
    """Six streams: four that show somebody doing something, one that has failed and one that retries."""

    def __init__(self) -> None:
        self.pipeline = FakePipeline(NAMES)
        self._began: dict[str, ActionEvent] = {}
        self._start = time.time()
        self.pipeline.change("entrance", decoded=182_412, sampled=48_640, inferred=48_637, dropped=3)
        self.pipeline.change("gym-south", reconnects=2, resets=3, decode_errors=17)
        self.pipeline.set_sinks(
            SinkHealth("web page", written=9_214),
            SinkHealth("actions.jsonl", written=9_214),
            SinkHealth(
                "webhook hooks.example", written=12, failed=3, error="webhook hooks.example: timed out after 5 s"
            ),
        )

    def past(self) -> list[Message]:
        """Return the predictions of the last minutes, so that the charts are full from the beginning."""
        times = np.arange(self._start - _PAST_S, self._start, _EVERY_S)
        return [self._predict(i, float(at)) for at in times for i in range(len(NAMES)) if self._speaks(i)]

    def step(self, *, predict: bool) -> list[Message]:
        """Show what there is to see now, and return what there is to tell."""
        now = time.time()
        for i, name in enumerate(NAMES):
            if self.pipeline.health()[i].state == "live" or self.pipeline.picture(name) is None:
                scene = scenes.SCENES[i]
                self.pipeline.show(name, scenes.encode(scenes.draw(scene, now)), size=scene.size)
        if not predict:
            return []
        messages: list[Message] = []
        for i in filter(self._speaks, range(len(NAMES))):
            messages.append(self._predict(i, now))
            messages += self._events(NAMES[i])
        return messages

    def break_streams(self) -> list[Message]:
        """Let one stream fail and another retry; what was under way there ends."""
        broken = [self._began.pop(name) for name in ("corridor", "yard") if name in self._began]
        return [
            *map(self.pipeline.end_event, broken),
            self.pipeline.enter("corridor", "failed", "connection refused; gave up after 8 attempts"),
            self.pipeline.enter("yard", "retrying", "no frames for 5 s; next attempt in 4 s"),
        ]

    def _speaks(self, stream: int) -> bool:
        return self.pipeline.health()[stream].state == "live"

    def _predict(self, stream: int, at: float) -> Message:
        fps = 29.97 - 4.99 * (stream % 2) + 0.04 * math.sin(at)
        width, height = scenes.SCENES[stream].size
        self.pipeline.change(NAMES[stream], fps=fps, width=2 * width, height=2 * height)
        return self.pipeline.predict(NAMES[stream], _scores(stream, at), wall_time=at)

    def _events(self, name: str) -> list[Message]:
        last = next(health.last for health in self.pipeline.health() if health.name == name)
        assert last is not None
        best = last.top(1)[0]
        if name not in self._began and best.score > 0.75:
            self._began[name] = self.pipeline.start_event(name, best.label, score=best.score)
            return [self._began[name]]
        if name in self._began and best.score < 0.55:
            return [self.pipeline.end_event(self._began.pop(name))]
        return []


def _scores(stream: int, at: float) -> Sequence[float]:
    """Return a score for each label: the scene's own class leads most of the time."""
    own = LABELS.index(scenes.SCENES[stream].label)
    logits = np.array([0.6 * math.sin(at / (9 + 2 * i) + 2.1 * i + stream) for i in range(len(LABELS))])
    logits[own] += 2.2 + 2.0 * math.sin(at / 13 + 1.7 * stream)
    logits[(own + 3) % len(LABELS)] += 1.6 - 1.2 * math.sin(at / 13 + 1.7 * stream)
    exponentials = np.exp(logits)
    return [float(score) for score in exponentials / exponentials.sum()]


def play(sink: WebSink, demo: Demo, ending: threading.Event) -> None:
    """Feed `sink` until `ending` is set; two streams break after the first second."""
    step = 0
    while not ending.wait(1 / _PICTURES_PER_S):
        for message in demo.step(predict=step % max(1, round(_EVERY_S * _PICTURES_PER_S)) == 0):
            sink.write(message)
        if step == _PICTURES_PER_S:
            for message in demo.break_streams():
                sink.write(message)
        step += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", default="127.0.0.1:8080", help="where to listen")
    parser.add_argument("--token", help="what a browser must know")
    arguments = parser.parse_args()
    address = parse_http_address(arguments.http)
    demo = Demo()
    with WebSink(address.host, address.port, view=demo.pipeline, token=arguments.token) as sink:
        sink.open()
        for message in demo.past():
            sink.write(message)
        print(sink.address.url, flush=True)
        try:
            play(sink, demo, threading.Event())
        except KeyboardInterrupt:
            print("done")


if __name__ == "__main__":
    main()
