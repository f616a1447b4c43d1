"""Few shapes, a session each, two batches at once: ONNX Runtime on a GPU, through a stand-in for its build."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.engines import DeviceError, Engine, open_engine
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.engines.onnxruntime.cuda_build import CUDA, CudaBuild

_WAIT_S = 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> CudaBuild:
    return CudaBuild(monkeypatch, CUDA)


@pytest.fixture
def engine(build: CudaBuild, model: Path) -> Iterator[Engine]:
    with open_engine(model, device="cuda") as engine:
        yield engine


@pytest.fixture(scope="module")
def reference(model: Path) -> Iterator[Engine]:
    with open_engine(model, device="cpu") as engine:
        yield engine


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def ran(build: CudaBuild) -> list[set[int]]:
    """Return the numbers of crops that each session was run with, of those that were run."""
    return sorted((set(session.shapes) for session in build.sessions if session.shapes), key=min)


def test_padded_batches_give_what_the_cpu_gives_without_padding(engine: Engine, reference: Engine) -> None:
    for count in (1, 4, 5, 6, 9, 31, 61, 64, 65, 131):
        np.testing.assert_allclose(
            engine.infer(crops(count, count)), reference.infer(crops(count, count)), atol=1e-6
        )


def test_a_folder_of_clips_runs_in_prepared_shapes_and_no_session_sees_two(
    build: CudaBuild, model: Path, tmp_path: Path
) -> None:
    """25 frames of five crops are 64 and 61; the last clip, of 9, is 45.  A slow machine flushes earlier."""
    clips = [write_clip(tmp_path / f"{number}.mp4", frames=9 if number == 3 else 30) for number in range(4)]
    with Recognizer.open(model, device="cuda") as recognizer:
        answers = [recognizer.classify(clip) for clip in clips]
        answers += [each for each in recognizer.classify_many(clips) if isinstance(each, Classification)]
    with Recognizer.open(model, device="cpu") as plain:
        expected = [plain.classify(clip) for clip in clips] * 2
    assert all(len(shapes) == 1 for shapes in ran(build))
    assert {64} <= set.union(*ran(build)) <= {5, 8, 16, 32, 64}
    assert build.shape_changes == 0
    for answer, other in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer.logits, other.logits, atol=1e-6)


def test_a_slow_start_of_a_shape_is_paid_once_and_not_by_each_clip(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    """Clip by clip, batches are of 64 and 61 crops in turn: in one session of free shapes, each starts slowly."""
    clip, clips = write_clip(tmp_path / "a.mp4", frames=30), 8
    build = CudaBuild(monkeypatch, CUDA)
    with Recognizer.open(model, device="cuda") as recognizer:
        for _ in range(clips):
            recognizer.classify(clip)
    assert sum(len(session.shapes) for session in build.sessions) == 2 * clips
    assert sum(len(list(itertools.groupby(session.shapes))) for session in build.sessions) <= 2


def test_each_shape_has_a_session_that_is_opened_when_it_first_comes(engine: Engine, build: CudaBuild) -> None:
    assert len(build.sessions) == 1  # the full batch's, which says whether the GPU works
    for count in (64, 3, 61, 5, 6, 17, 64):
        engine.infer(crops(count))
    assert ran(build) == [{5}, {8}, {32}, {64}]
    assert len(build.sessions) == 4
    assert build.shape_changes == 0


def test_shapes_follow_the_crops_of_a_frame_and_the_batch_that_was_asked_for(
    engine: Engine, build: CudaBuild
) -> None:
    assert engine.description.endswith("on cuda:0 in batches of 5, 8, 16, 32 or 64 crops")
    with CropBatcher(engine, views="center", batch_size=20) as batcher:
        assert engine.description.endswith("in batches of 1, 4, 8, 16 or 20 crops")
        assert engine.details[0] == engine.description
        assert "batches have 1, 4, 8, 16 or 20 crops, as the GPU prepares itself anew" in engine.details[1]
        assert engine.details[2] == "crops are copied from ordinary memory"
        for frame in range(23):
            batcher.add(frame, np.zeros((40, 40, 3), np.uint8), 1)
        batcher.flush()
    assert ran(build) == [{4}, {20}]


@pytest.mark.parametrize(("precision", "channels_last"), [("fp32", 1), ("fp16", 1), ("int8", 0)])
def test_every_session_prefers_channels_last_but_for_int8_and_starts_fast(
    precision: str, channels_last: int, build: CudaBuild, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", precision=precision)
    with open_engine(model, device="cuda") as engine:
        engine.infer(crops(3))
    options = [providers[0][1] for providers in build.asked]
    assert [each["prefer_nhwc"] for each in options] == [channels_last] * 2
    assert not any("fuse_conv_bias" in each for each in options)


def test_full_tuning_prepares_all_before_it_lends_and_fuses_the_ends(build: CudaBuild, model: Path) -> None:
    with open_engine(model, device="cuda", tuning="full") as engine:
        (note,) = engine.notes
        assert note.startswith("full tuning: convolutions are fused for one frame's crops and for 64")
        assert engine.description.endswith("64 crops, fully tuned")
        batches = engine.new_batches()
        prepared = {id(session): list(session.shapes) for session in build.sessions}
        assert ran(build) == [{5}, {8}, {16}, {32}, {64}]
        fused = [
            session.shapes[0]
            for session, providers in zip(build.sessions, build.asked, strict=True)
            if providers[0][1].get("fuse_conv_bias") == 1
        ]
        assert sorted(fused) == [5, 64]
        for batch in batches:
            batch.close()
        engine.new_batches()
        assert {id(session): session.shapes for session in build.sessions} == prepared  # once is enough


def recorded(build: CudaBuild) -> list[int]:
    """Return the number of crops of each session that replays a CUDA graph."""
    return [session.shapes[0] for session in build.sessions if session.recorded]


def test_one_frames_work_is_recorded_where_that_is_asked_for(
    build: CudaBuild, model: Path, reference: Engine
) -> None:
    with open_engine(model, device="cuda", backend="onnxruntime?graphs=1") as engine:
        batches = engine.new_batches()
        assert recorded(build) == [5, 5]  # each batch has its own, which its thread alone runs
        assert engine.description.endswith("64 crops, with CUDA graphs")
        for seed, (count, batch) in enumerate(itertools.product((5, 3, 9), batches)):
            batch.crops[:count] = crops(count, seed)
            batch.submit(count)
            np.testing.assert_allclose(batch.collect(), reference.infer(crops(count, seed)), atol=1e-6)
        others = engine.new_batches()  # nothing is recorded while somebody's batches may be in the GPU
        assert recorded(build) == [5, 5]
        for batch in (*batches, *others):
            batch.close()
        engine.new_batches()
        assert recorded(build) == [5, 5]


@pytest.mark.parametrize(
    ("failure", "why"),
    [("CUDA failure 900: capturing", "RuntimeError: CUDA failure 900"), ("", "ValueError: a graph")],
)
def test_a_graph_that_fails_or_gives_other_logits_is_not_taken(
    build: CudaBuild, model: Path, reference: Engine, failure: str, why: str
) -> None:
    build.graph_failure, build.stale_graphs = failure, not failure
    with open_engine(model, device="cuda", backend="onnxruntime?graphs=1") as engine:
        batch, _ = engine.new_batches()
        assert f"without CUDA graphs ({why}" in engine.description
        assert recorded(build) == [5]  # the second batch did not try
        batch.crops[:5] = crops(5)
        batch.submit(5)
        np.testing.assert_allclose(batch.collect(), reference.infer(crops(5)), atol=1e-6)


def test_a_pipeline_of_streams_has_its_shapes_prepared_before_a_stream_is_opened(
    build: CudaBuild, model: Path
) -> None:
    with open_engine(model, device="cuda", tuning="full") as engine:
        StreamPipeline(engine, StreamSettings(views="center")).close()
        assert ran(build) == [{1}, {4}, {8}, {16}, {32}, {64}]


def test_two_batches_are_in_the_gpu_at_once(engine: Engine, build: CudaBuild, reference: Engine) -> None:
    both = threading.Barrier(2)
    build.during = lambda rows: (both.wait(_WAIT_S), None)[1]
    first, second = engine.new_batches()
    for batch, seed in ((first, 1), (second, 2)):
        batch.crops[:7] = crops(7, seed)
        batch.submit(7)  # returns although the run cannot end before the other one has begun
    np.testing.assert_allclose(second.collect(), reference.infer(crops(7, 2)), atol=1e-6)
    np.testing.assert_allclose(first.collect(), reference.infer(crops(7, 1)), atol=1e-6)


def test_batches_of_two_callers_do_not_disturb_each_other(engine: Engine, reference: Engine) -> None:
    lent = (*engine.new_batches(), *engine.new_batches())
    for seed, batch in enumerate(lent):
        batch.crops[:9] = crops(9, seed)
        batch.submit(9)
    for seed, batch in enumerate(lent):
        np.testing.assert_allclose(batch.collect(), reference.infer(crops(9, seed)), atol=1e-6)
        batch.close()
    assert engine.new_batches() == lent[:2]


def test_a_larger_batch_than_the_engines_own_gets_room(engine: Engine, reference: Engine) -> None:
    batch, _ = engine.new_batches(150)
    batch.crops[:] = crops(150)
    batch.submit(150)
    np.testing.assert_allclose(batch.collect(), reference.infer(crops(150)), atol=1e-6)


def test_a_failure_in_flight_comes_from_collecting_and_the_next_batch_runs(
    engine: Engine, build: CudaBuild, reference: Engine
) -> None:
    batch, other = engine.new_batches()
    build.failure = "CUDA failure 700: an illegal memory access"
    batch.submit(5)
    with pytest.raises(DeviceError, match=r"cuda:0: ONNX Runtime failed .*700"):
        batch.collect()
    build.failure = ""
    other.crops[:5] = crops(5)
    other.submit(5)
    np.testing.assert_allclose(other.collect(), reference.infer(crops(5)), atol=1e-6)


def test_a_failure_while_preparing_leaves_the_batches_with_the_engine(build: CudaBuild, model: Path) -> None:
    with open_engine(model, device="cuda", tuning="full") as engine:
        build.failure = "CUDA failure 2: out of memory"
        with pytest.raises(DeviceError, match="out of memory"):
            engine.new_batches()
        build.failure = ""
        engine.new_batches()
        assert len(engine._pool.made) == 2  # type: ignore[attr-defined]


def test_closing_waits_for_work_in_flight_and_ends_the_threads(engine: Engine, build: CudaBuild) -> None:
    running, go_on = threading.Event(), threading.Event()
    build.during = lambda rows: (running.set(), go_on.wait(_WAIT_S), None)[2]
    batch, _ = engine.new_batches()
    batch.submit(5)
    assert running.wait(_WAIT_S)
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    go_on.set()
    closing.join(_WAIT_S)
    assert not closing.is_alive()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gpu batch")]
    engine.close()
    for use in (lambda: batch.submit(1), engine.new_batches, lambda: engine.infer(crops(1))):
        with pytest.raises(ValueError, match="closed"):
            use()
    batch.close()


def test_a_batch_that_is_closed_in_flight_is_waited_for_and_lent_again(engine: Engine) -> None:
    batch, other = engine.new_batches()
    batch.submit(5)
    batch.close()
    other.close()
    assert engine.new_batches() == (batch, other)
    with pytest.raises(ValueError, match="nothing was submitted"):
        batch.collect()


def test_what_others_print_is_not_caught_while_a_shape_is_prepared(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    outputs, opened = [], onnxruntime.InferenceSession

    def noting(*args: Any, **keywords: Any) -> Any:
        outputs.append(sys.stdout)
        return opened(*args, **keywords)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noting)
    engine.infer(crops(1))
    assert outputs == [sys.stdout]
