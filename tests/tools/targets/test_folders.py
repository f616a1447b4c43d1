import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.targets import folders
from tools.targets.folders import measure_folder, readable_clips


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
    assert 0 < result.facts["decode_share_of_a_core"] <= 2


@pytest.mark.parametrize(("frames", "inferred"), [(2, 1), (60, 25)])
def test_crops_are_counted_as_the_engine_gets_them(tmp_path, engine, monkeypatch, frames, inferred):
    clip = write_clip(tmp_path / "short.mp4", frames=frames)
    got = []
    real = engine._infer_batch
    monkeypatch.setattr(engine, "_infer_batch", lambda crops: got.append(len(crops)) or real(crops))
    monkeypatch.setattr(folders, "_ENGINE_CROPS", 5)
    method = Method(repeats=1)
    result = measure_folder(engine, [clip], method, model="m.onnx", segments=25, views="center")
    assert result.facts["crops"] == inferred == sum(got) - 5 - 5 - 5


def test_a_folder_without_clips_is_an_error(engine):
    with pytest.raises(UsageError, match="no clip"):
        measure_folder(engine, [], Method(repeats=1), model="m.onnx", segments=25, views="ten")
