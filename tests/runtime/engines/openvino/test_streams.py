"""Two streams: when they are taken, and that nothing but the speed hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Batch
from pptsn.runtime.engines.openvino.backend import streams_for
from pptsn.runtime.recognizer import Recognizer
from tests.clips import write_clip
from tests.models import CROP_SIZE, LABELS, needs_openvino, write_crafted_model, write_tiny_model

pytestmark = [
    needs_openvino,
    pytest.mark.skipif(available_cores() < 2, reason="OpenVINO has no more streams than cores"),
    pytest.mark.usefixtures("home"),
]
S, C = CROP_SIZE, len(LABELS)
MANY = 1_000_000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def opened(model: Path, *, streams: int | None = 2, crops: int | None = None, cache: int = 0) -> Engine:
    by_hand = f"&streams={streams}" if streams else ""
    return open_engine(model, backend=f"openvino?cache={cache}{by_hand}", threads=2, crops=crops)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, S, S, 3), np.uint8)


def submit(batch: Batch, crops: np.ndarray) -> None:
    batch.crops[: len(crops)] = crops
    batch.submit(len(crops))


@pytest.mark.parametrize(
    ("crops", "threads", "streams"),
    [
        (None, 2, 1),  # a stream: nobody knows, and each answer is waited for
        (125, 2, 1),  # a clip
        (1999, 2, 1),
        (2000, 2, 2),
        (2000, 4, 1),
        (4000, 4, 2),
        (MANY, 1, 1),
        (MANY, 3, 1),  # which has no two equal shares
    ],
)
def test_many_crops_for_each_thread_are_worth_two_streams(crops: int | None, threads: int, streams: int) -> None:
    assert streams_for(crops, threads=threads) == streams


@pytest.mark.parametrize(
    ("by_hand", "crops", "streams"), [(None, None, 1), (None, 125, 1), (None, MANY, 2), (1, MANY, 1), (2, None, 2)]
)
def test_the_engine_says_how_many_it_has(
    model: Path, by_hand: int | None, crops: int | None, streams: int
) -> None:
    with opened(model, streams=by_hand, crops=crops) as engine:
        assert engine.description.endswith("on cpu in 2 streams") == (streams == 2)
        assert any("2 batches are worked on side by side" in line for line in engine.details) == (streams == 2)
        # One more than streams is filled meanwhile.
        assert len(engine.new_batches()) == {1: 1, 2: 3}[streams]


def test_no_streams_are_no_choice(model: Path) -> None:
    with pytest.raises(UsageError, match="--backend openvino: streams=0 is out of range; expected 1 to "):
        open_engine(model, backend="openvino?streams=0")


@pytest.mark.parametrize("count", [1, 5, 6, 27])
def test_logits_are_those_of_one_stream(model: Path, count: int) -> None:
    with opened(model, streams=1) as one, opened(model) as two:
        np.testing.assert_allclose(two.infer(drawn(count)), one.infer(drawn(count)), atol=1e-6)


def test_batches_in_flight_give_their_own_logits_in_whatever_order(model: Path) -> None:
    with opened(model) as engine:
        expected = [engine.infer(drawn(count, seed=count)) for count in (4, 7, 2)]
        for order in ((0, 1, 2), (2, 0, 1)):
            batches = engine.new_batches(7)
            for batch, count in zip(batches, (4, 7, 2), strict=True):
                submit(batch, drawn(count, seed=count))
            for number in order:
                np.testing.assert_allclose(batches[number].collect(), expected[number], atol=1e-6)
                batches[number].close()


def test_larger_batches_than_before_have_room_and_smaller_ones_their_size(model: Path) -> None:
    with opened(model) as engine:
        for size in (3, 40, 5):
            for batch in engine.new_batches(size):
                with batch:
                    assert batch.crops.shape == (size, S, S, 3)
                    submit(batch, drawn(size))
                    assert batch.collect().shape == (size, C)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_batch_that_fails_says_so_in_its_turn(tmp_path: Path, bad: int) -> None:
    """The graph adds ten numbers to those of its crops, which have to be as many: two streams of five were tried.

    What OpenVINO makes of the batches after that is its own affair: of the same size they fail as well.
    """
    path = write_crafted_model(
        tmp_path / "m.onnx",
        f"""g (uint8[N, {S}, {S}, 3] crops) => (float[N, {C}] logits)
            <int64[3] axes = {{1, 2, 3}}, int64[1] first = {{0}}, int64[2] column = {{-1, 1}},
             float[10] tens = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}, float[1, {C}] ones = {{1, 1, 1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            mean = ReduceMean<keepdims = 0>(pixels, axes)
            added = Add(mean, tens)
            most = ReduceMax<keepdims = 1>(added, first)
            rows = Reshape(mean, column)
            each = MatMul(rows, ones)
            logits = Add(each, most)
        }}""",
    )
    with opened(path) as engine:
        batches = engine.new_batches(10)
        for number, batch in enumerate(batches):
            submit(batch, np.full((9 if number == bad else 10, S, S, 3), number, np.uint8))
        for number, batch in enumerate(batches[:bad]):
            np.testing.assert_allclose(batch.collect(), np.full((10, C), 2 * number + 10), atol=1e-5)
        with pytest.raises(ModelError, match="OpenVINO failed to run it") as caught:
            batches[bad].collect()
        assert str(caught.value).isprintable()


def test_batches_given_back_in_flight_are_lent_again(model: Path) -> None:
    with opened(model) as engine:
        for batch in engine.new_batches(200):
            submit(batch, drawn(200))
            batch.close()
        again = engine.new_batches(3)
        with pytest.raises(ValueError, match="nothing was submitted"):
            again[0].collect()
        for seed, batch in enumerate(again):
            submit(batch, drawn(3, seed))
        for seed, batch in enumerate(again):
            np.testing.assert_allclose(batch.collect(), engine.infer(drawn(3, seed)), atol=1e-6)


@pytest.mark.parametrize("cache", [0, 1])
def test_an_engine_closed_in_flight_ends_its_work(model: Path, cache: int) -> None:
    """Of a compiled model that was kept, the weights lie in memory that goes with the engine."""
    opened(model, cache=cache).close()
    engine = opened(model, cache=cache)
    batches = engine.new_batches(200)
    for batch in batches:
        submit(batch, drawn(200))
    engine.close()
    for batch in batches:
        with pytest.raises(ValueError, match="nothing was submitted"):
            batch.collect()
        with pytest.raises(ValueError, match="the engine is closed"):
            batch.submit(1)
        batch.close()


def test_compiled_models_are_kept_by_their_streams(model: Path, home: Path) -> None:
    for _ in range(2):
        for streams in (1, 2):
            with opened(model, streams=streams, cache=1) as engine:
                assert ("in 2 streams" in engine.description) == (streams == 2)
    assert len(list((home / ".cache/pptsn/openvino").iterdir())) == 2


def test_a_folder_has_the_answers_of_one_stream_in_its_order(model: Path, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{frames}.mp4", frames=frames) for frames in (12, 3, 30)]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    clips.insert(1, tmp_path / "broken.mp4")

    def answers(streams: int) -> Sequence[object]:
        with Recognizer(opened(model, streams=streams)) as recognizer:
            results = list(recognizer.classify_many(clips, segments=5, decoders=0))
        return [_answer(result) for result in results]

    assert answers(2) == answers(1)
    assert [type(answer) for answer in answers(2)] == [list, str, list, list]


def _answer(result: object) -> object:
    """Return labels and scores, or the error's text."""
    if isinstance(result, Classification):
        return [(each.label, pytest.approx(each.score, abs=1e-6)) for each in result.top(C)]
    return str(getattr(result, "error", result))
