import pytest

from benchmarks.method import Method
from benchmarks.targets.folders import measure_folder, readable_clips
from runtime.engines import open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model


@pytest.fixture
def engine(tmp_path):
    with open_engine(write_tiny_model(tmp_path / "m.onnx"), device="cpu") as engine:
        yield engine


def test_clips_that_cannot_be_read_are_left_out_beforehand(tmp_path, engine):
    good = write_clip(tmp_path / "a.mp4", frames=12)
    broken = tmp_path / "b.mp4"
    broken.write_bytes(b"no video")
    assert readable_clips([good, broken, good], engine) == [good, good]


def test_the_share_is_of_what_the_engine_does_alone_before_and_after_each_part(tmp_path, engine):
    clips = [write_clip(tmp_path / f"{number}.mp4", frames=12) for number in range(4)]
    result = measure_folder(engine, clips, Method(repeats=2), model="m.onnx", segments=3, views="ten")
    alone, folder = result["engine_crops_per_s"].repeats, result["crops_per_s"].repeats
    shares = [100 * rate / ((a + b) / 2) for rate, a, b in zip(folder, alone[:-1], alone[1:], strict=True)]
    assert result["share_of_engine_percent"].repeats == pytest.approx(shares)
    # This model costs nothing, so that decoding is nearly all there is.
    assert 0 < result["share_of_engine_percent"].value < 97
    assert not result.facts["met"]
    assert 0 < result.facts["decode_share_of_time"] <= 1.05


def test_frames_that_a_short_clip_gives_several_times_count_once(tmp_path, engine):
    clip = write_clip(tmp_path / "short.mp4", frames=2)
    method = Method(repeats=1)
    result = measure_folder(engine, [clip], method, model="m.onnx", segments=25, views="center")
    assert result.facts["crops"] == 2
