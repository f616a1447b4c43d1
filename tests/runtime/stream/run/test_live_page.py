"""The whole way: a camera in the network, the program, its page in a real browser."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.models import write_tiny_model
from tests.runtime.stream.camera import Camera
from tests.runtime.stream.run.test_cli import started
from tests.runtime.stream.sinks.web.chromium import chromium
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.servers

RED, BLUE = (220, 30, 30), (30, 30, 220)
ONE, TWO = ".card:nth-of-type(1)", ".card:nth-of-type(2)"


def test_pictures_move_labels_change_events_appear_and_a_dead_stream_is_shown(tmp_path: Path):
    model = write_tiny_model(tmp_path / "model.onnx")
    port = free_port()
    with Camera(size=(160, 120)) as camera, Camera(size=(160, 120)) as other, chromium() as page:
        camera.colour = other.colour = RED
        arguments = (
            f"{camera.url}?name=one", f"{other.url}?name=two", "--model", model, "--http", f"127.0.0.1:{port}",
            "--window", 0.8, "--segments", 4, "--threshold", "blue=0.5:0.4", "--timeout", 2,
        )  # fmt: skip
        with started("--quiet", *arguments):
            url = f"http://127.0.0.1:{port}/"
            wait_until(lambda: _get(url + "healthz"))
            page.open(url)
            page.wait_for(f"{ONE} .leader", "red")
            wait_until(lambda: page.picture(0) is not None)
            before = page.picture(0)
            wait_until(lambda: page.picture(0) != before)
            camera.colour = BLUE
            page.wait_for(f"{ONE} .leader", "blue")
            page.wait_for("#events", "blue")
            assert page.text(f"{TWO} .leader").startswith("red")
            other.off()
            page.wait_for(f"{TWO} .badge", "Retrying")
            page.wait_for(ONE, "Live")
            families = {family.name: family for family in text_string_to_metric_families(_get(url + "metrics"))}
            states = {
                (sample.labels["stream"], sample.labels["state"])
                for sample in families["pptsn_stream_state"].samples
                if sample.value == 1
            }
            assert states == {("one", "live"), ("two", "retrying")}
            other.on()
            page.wait_for(f"{TWO} .badge", "Live")


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a fixed scheme
            return answer.read().decode()
    except OSError:
        return ""
