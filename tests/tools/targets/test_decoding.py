import numpy as np
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.decoding.clips import ClipFrame, clip_frames
from tests.clips import write_clip
from tests.models import tiny_spec
from tools.targets.decoding import measure_long
from tools.targets.decord_reader import frames_by_decord

pytest.importorskip("decord", reason="decord has wheels for x86-64 alone")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "c.mp4", frames=96)


def test_decord_gives_the_same_frames(clip):
    spec = tiny_spec()
    theirs = frames_by_decord(clip, spec, segments=5)
    items = clip_frames([clip], spec, segments=5, rule="centre")
    ours = [item.pixels for item in items if isinstance(item, ClipFrame)]
    assert len(ours) == len(theirs) == 5
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_what_was_decoded_is_told_beside_the_gain(clip):
    result = measure_long(clip, tiny_spec(), Method(repeats=1, least_s=0.01), segments=5)
    assert result["long_speedup"].value == pytest.approx(
        result["decord_ms"].value / result["ours_ms"].value, rel=1e-6
    )
    facts = result.facts
    assert facts["frames"] == 96
    # Five frames of a clip with a key frame every 12, and B-frames that nothing refers to left out.
    assert 5 < facts["decoded"] < facts["reached"] <= 60
