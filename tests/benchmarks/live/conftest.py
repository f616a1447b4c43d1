from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def brief_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let streams of pictures that cost nothing warm up for a second."""
    monkeypatch.setattr("pptsn.benchmarks.live.trial._WARM_UP_S", 0.1)
