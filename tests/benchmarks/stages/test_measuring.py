"""What a measurement of the stages says of a tiny model and short clips."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.stages.measuring import Subject, measure_stages, measure_stages_in_turn
from pptsn.benchmarks.stages.report import WORK, Recorder
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.stages import DECODE, DECODING, listening, stage
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from tests.clips import write_clip
from tests.models import write_tiny_model

CLIP_FRAMES, SEGMENTS = 30, 4
SLOW_CROP_S = 0.2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(folder / f"{name}.mp4", frames=CLIP_FRAMES)) for name in "ab"]


def method(repeats: int = 3, runs: int = 6, least_s: float = 0.01) -> Method:
    return Method(repeats=repeats, least_s=least_s, least_iterations=runs)


def subject(engine: Engine, sources: list[Source]) -> Subject:
    return Subject(engine=engine, model="tiny.onnx", sources=sources, clips="clips")


@pytest.fixture(scope="module")
def result(model: Path, clips: list[str]) -> Result:
    with open_engine(model, device="cpu", threads=1) as engine:
        return measure_stages(subject(engine, [*clips]), method=method(), segments=SEGMENTS, views="three")


def test_its_settings_tell_it_from_other_cases(result: Result) -> None:
    assert result.section == "stages"
    assert result.settings == {
        "model": "tiny.onnx",
        "precision": "fp32",
        "backend": "onnxruntime cpu 1 thread",
        "views": "three",
        "segments": SEGMENTS,
        "clips": "clips",
    }


def test_the_shares_of_all_stages_are_the_whole(result: Result) -> None:
    shares = [m.value for m in result.measurements if m.name.endswith("_share_percent")]
    assert len(shares) == len(WORK) - 2
    assert sum(filter(None, shares)) == pytest.approx(100)


def test_what_the_engines_thread_does_and_waits_is_about_all_of_its_time(result: Result) -> None:
    facts = result.facts
    # Stages of one thread cannot take longer than what passes, less what it waits for frames.  They are most of
    # it, even in runs so short that starting threads and making batches, in no stage, count for something.
    busy_ms = sum(facts["stages"][name]["total_ms"] for name in ("crop", "compute", "aggregate", "emit"))
    assert facts["wall_ms"] / 2 < busy_ms + facts["engine_waits_ms"] < facts["wall_ms"]
    assert facts["decoding_waits_ms"] < facts["wall_ms"]


@pytest.mark.parametrize(
    ("count", "room"), [(3, 16), (8, 1)], ids=["all frames find room", "most frames wait for room"]
)
def test_decoding_stands_still_whenever_it_does_not_work(
    model: Path, clips: list[str], count: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.runtime.decoding.ahead._FRAMES_AHEAD", room)
    with open_engine(model, device="cpu", threads=1) as engine:
        infer = engine._infer_batch

        def slow(crops: Frame) -> Logits:
            time.sleep(SLOW_CROP_S * len(crops))
            return infer(crops)

        monkeypatch.setattr(engine, "_infer_batch", slow)
        many: list[Source] = [clips[0]] * count
        once = method(repeats=1, runs=1, least_s=0.0)
        facts = measure_stages(subject(engine, many), method=once, segments=1, views="center").facts
    work_ms = sum(facts["stages"][name]["total_ms"] for name in DECODING)
    work, still = work_ms / facts["wall_ms"], facts["decoding_waits_ms"] / facts["wall_ms"]
    # What is neither, such as starting threads and closing files, takes milliseconds: little next to the engine.
    assert 1 - work - 0.25 < still < 1 - work
    assert facts["limiting_side"] == "inference"


def test_each_stage_is_counted_and_has_the_percentiles_that_its_events_allow(result: Result) -> None:
    runs = result.facts["runs"]
    assert runs >= 6
    assert result["crop_ms_per_clip"].samples == runs * 2 * SEGMENTS * 3
    assert result["resize_ms_per_clip"].samples == runs * 2 * SEGMENTS
    assert result["emit_ms_per_clip"].samples == runs * 2
    for name in ("demux", "decode", "colour", "resize", "crop", "compute", "aggregate", "emit"):
        key = name.replace(" ", "_")
        assert result[f"{key}_ms_per_clip"].better == "lower"
        assert len(result[f"{key}_ms_per_clip"].repeats) == 3
        p50, p90 = result[f"{key}_p50_ms"].value, result[f"{key}_p90_ms"].value
        assert p50 is not None
        assert p90 is not None
        assert 0 < p50 <= p90
    assert result["emit_p99_ms"].value is None
    assert "needs at least 100 samples" in result["emit_p99_ms"].note


def test_a_wait_for_a_batch_has_percentiles_and_no_share(result: Result) -> None:
    assert result["batch_wait_p50_ms"].value
    assert "no share" in result["batch_wait_p50_ms"].note
    assert not [m.name for m in result.measurements if m.name.startswith("batch_wait") and "share" in m.name]


def test_copies_that_do_not_happen_are_said_not_to(result: Result) -> None:
    for name in ("copy_in_ms_per_clip", "copy_out_ms_per_clip"):
        assert result[name].value is None
        assert "none on the CPU" in result[name].note


def test_the_bottleneck_is_a_stage_of_the_side_that_limits(result: Result) -> None:
    sides = {
        "decoding": ("demux", "decode", "colour", "resize"),
        "inference": ("crop", "compute", "aggregate", "emit"),
    }
    assert result.facts["bottleneck"] in sides[result.facts["limiting_side"]]
    assert result.sentence.startswith(result.facts["bottleneck"])


def test_a_source_that_fails_is_named_and_left_out(model: Path, clips: list[str], tmp_path: Path) -> None:
    sources: list[Source] = [clips[0], str(tmp_path / "none.mp4"), InputError("@list", "names nothing"), clips[1]]
    with open_engine(model, device="cpu", threads=1) as engine:
        found = measure_stages(subject(engine, sources), method=method(), segments=SEGMENTS, views="three")
    assert found.facts["clips"] == 2
    assert [line.split(": ")[1] for line in found.facts["failed"]] == [
        "there is no such file; check the path",
        "names nothing",
    ]
    assert found["emit_ms_per_clip"].samples == found.facts["runs"] * 2


def test_without_a_source_that_can_be_used_there_is_an_error(model: Path, tmp_path: Path) -> None:
    missing: list[Source] = [str(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    with open_engine(model, device="cpu", threads=1) as engine:
        with pytest.raises(InputError, match=r"none of 2 sources.*no such file"):
            measure_stages(subject(engine, missing), method=method())
        with pytest.raises(InputError, match=r"a\.mp4: there is no such file"):
            measure_stages(subject(engine, missing[:1]), method=method())
        with pytest.raises(InputError, match="no source to classify"):
            measure_stages(subject(engine, []), method=method())
    with listening(Recorder()):  # nobody is left listening
        pass


def test_what_is_switched_on_for_one_subject_is_off_for_the_others(model: Path, clips: list[str]) -> None:
    order: list[str] = []

    class Switch:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            order.append(self.name)

        def __exit__(self, *error: object) -> None:
            order.append(f"/{self.name}")

    with open_engine(model, device="cpu", threads=1) as engine:
        subjects = {
            name: Subject(
                engine=engine,
                model=name,
                sources=clips[:1],
                clips="clips",
                around=lambda name=name: Switch(name),  # type: ignore[misc]
            )
            for name in ("one", "two")
        }
        # However fast a run is, a repeat is one run.
        once_a_repeat = method(repeats=2, runs=2, least_s=0.0)
        found = measure_stages_in_turn(subjects, method=once_a_repeat, segments=SEGMENTS)
    assert {name: result.settings["model"] for name, result in found.items()} == {"one": "one", "two": "two"}
    one, two = ["one", "/one"], ["two", "/two"]
    assert order == [*one, *two, *one, *two, *two, *one]


def test_a_recorder_refuses_a_stage_that_it_does_not_know() -> None:
    with listening(Recorder()):
        with stage(DECODE):
            pass
        with pytest.raises(KeyError), stage("daydreaming"):
            pass
