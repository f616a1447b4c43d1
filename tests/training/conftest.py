"""What tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.training.narrow import narrow_networks


@pytest.fixture(scope="module")
def narrow() -> Iterator[None]:
    """Let the networks of a module have few channels."""
    with narrow_networks():
        yield


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Let the trainings of a module leave out their picture, which takes longer than their steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pptsn.training.writing.plot_metrics", lambda *_, **__: None)
        yield
