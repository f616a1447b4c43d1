"""Fixtures that tests of all folders share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference results and real clips beside the project.

    Without it a test skips, except under REQUIRE_SHARED=1, which CI sets: there it fails.
    """
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "clips" / "MANIFEST.tsv").is_file():
        message = f"{folder}: the reference results and clips are absent"
        if os.environ.get("REQUIRE_SHARED") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def reference(shared_dir: Path) -> dict[str, Any]:
    """What the original implementation computes: see the README beside it."""
    return json.loads((shared_dir / "reference" / "reference.json").read_text())
