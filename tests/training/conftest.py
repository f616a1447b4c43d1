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
