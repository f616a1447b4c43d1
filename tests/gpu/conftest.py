"""What a test with a GPU needs; each is skipped where it is missing, and fails there under REQUIRE_GPU=1."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.network import Network
from pptsn.runtime.base.errors import MissingDependencyError
from tests.models import tiny_network, tiny_spec, write_tiny_model


def missing(reason: str) -> None:
    """Skip the test, or fail it where the run demands a GPU."""
    if os.environ.get("REQUIRE_GPU") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def needs() -> Callable[[Callable[[], object]], None]:
    """Return a function that tries a start-up, and skips or fails the test where something is missing for it."""

    def attempt(start: Callable[[], object]) -> None:
        try:
            start()
        except MissingDependencyError as error:
            missing(str(error))

    return attempt


@pytest.fixture(scope="session", params=["fp32", "fp16"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, in each floating-point precision."""
    path = tmp_path_factory.mktemp("gpu") / f"{request.param}.onnx"
    if request.param == "fp32":
        return write_tiny_model(path)
    network = Network(tiny_network(), tiny_spec(mirror=True), source="the tiny model")
    to_fp16(network).write(path)
    return path
