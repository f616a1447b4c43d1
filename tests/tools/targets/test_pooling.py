from itertools import pairwise

import pytest

from pptsn.benchmarks.measure.method import Method
from tests.clips import write_clip
from tests.models import tiny_spec
from tools.targets import pooling
from tools.targets.pooling import measure_pool


@pytest.mark.parametrize("batch_s", [1e-6, 0.2])
def test_the_share_is_of_the_slower_of_engine_and_decoders(tmp_path, monkeypatch, batch_s):
    monkeypatch.setattr(pooling, "BATCH_S", batch_s)
    monkeypatch.setattr(pooling, "BATCH_SIZE", 5)
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    result = measure_pool(tiny_spec(), clip, Method(repeats=2), decoders=2, clips=3, segments=5, views="center")
    engine = result.facts["engine_clips_per_s"]
    assert engine == pytest.approx(1 / batch_s)  # five crops a clip, a batch
    alone, rates = result["decoders_clips_per_s"].repeats, result["clips_per_s"].repeats
    slower = [min(engine, (before + after) / 2) for before, after in pairwise(alone)]
    shares = [100 * rate / least for rate, least in zip(rates, slower, strict=True)]
    assert result["share_of_slower_percent"].repeats == pytest.approx(shares)
    assert (slower[0] == engine) == (batch_s == 0.2)
