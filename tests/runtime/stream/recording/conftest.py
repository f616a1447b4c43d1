"""Fixtures of the tests of pictures."""

from __future__ import annotations

import os

import pytest

from pptsn.runtime.stream.recording.fonts import font_called


@pytest.fixture
def dejavu() -> None:
    """Skip a test that needs fontconfig and the DejaVu fonts; under REQUIRE_SERVERS=1, which CI sets, it fails."""
    try:
        font_called("DejaVu Serif")
    except ValueError as error:
        message = f"{error}: install fontconfig and fonts-dejavu-core"
        if os.environ.get("REQUIRE_SERVERS") == "1":
            pytest.fail(message)
        pytest.skip(message)
