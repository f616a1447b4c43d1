"""The bottleneck follows from who waits for whom."""

from __future__ import annotations

import pytest

from pptsn.benchmarks.measure.results import Setting
from pptsn.benchmarks.stages.advice import Balance, bottleneck, sentence
from pptsn.runtime.base.stages import AGGREGATE, COMPUTE, CROP, DECODE, DECODING, DEMUX, INFERENCE

CPU: dict[str, Setting] = {"precision": "fp32", "backend": "onnxruntime cpu", "views": "ten", "segments": 25}


def balance(engine_waits_s: float, decoding_waits_s: float, **totals_s: float) -> Balance:
    """Return what happened in ten seconds."""
    return Balance(
        totals_s={name: totals_s.get(name.replace(" ", "_"), 0.0) for name in (*DECODING, *INFERENCE)},
        wall_s=10.0,
        engine_waits_s=engine_waits_s,
        decoding_waits_s=decoding_waits_s,
    )


def test_the_side_that_waits_less_limits_even_if_the_other_ones_stage_is_larger() -> None:
    # Four decoding threads work more than the engine's one does, which is nevertheless never out of frames.
    assert bottleneck(balance(0.1, 6.0, decode=12.0, compute=9.0, crop=0.5)) == COMPUTE
    assert bottleneck(balance(6.0, 0.1, decode=3.0, demux=1.0, compute=3.5)) == DECODE
    assert bottleneck(balance(6.0, 0.1, decode=1.0, demux=3.0, compute=3.5)) == DEMUX
    assert bottleneck(balance(0.0, 9.0, compute=2.0, crop=6.0)) == CROP


def test_a_slow_network_is_told_with_what_makes_it_faster() -> None:
    told = sentence(balance(0.01, 9.0, compute=9.6, decode=1.0), CPU, clips=3)
    assert told == (
        "compute takes 96 % of the engine thread's time, which never waits for frames: the network is the limit; "
        "try the INT8 model (pptsn convert int8 --target cpu), fewer segments, --views center, or a GPU"
    )


def test_slow_decoding_is_told_with_what_makes_it_faster() -> None:
    told = sentence(balance(4.0, 0.2, compute=5.0, decode=8.0, demux=2.0), CPU, clips=3)
    assert told.startswith(
        "decode is 80 % of the work of getting frames, for which the engine waits 40 % of the time: "
        "decoding video is the limit; try videos with fewer pixels, key frames closer together"
    )
    assert told.endswith("or fewer segments")
    beside_a_gpu = sentence(
        balance(4.0, 0.2, decode=8.0, demux=2.0), CPU | {"backend": "tensorrt cuda:0"}, clips=3
    )
    assert "; try decoders (pptsn classify --decoders; here one thread decodes), videos with" in beside_a_gpu


@pytest.mark.parametrize(
    ("settings", "told", "not_told"),
    [
        ({"precision": "int8"}, ["fewer segments", "--views center", "a GPU"], ["INT8"]),
        ({"views": "center", "segments": 1}, ["INT8", "a GPU"], ["segments", "center"]),
        ({"backend": "onnxruntime cuda:0"}, ["FP16", "plan"], ["INT8", "a GPU"]),
        (
            {"backend": "tensorrt cuda:0", "precision": "fp16"},
            ["INT8", "fewer segments"],
            ["FP16", "plan", "a GPU"],
        ),
    ],
)
def test_nothing_is_advised_that_is_done_already(
    settings: dict[str, Setting], told: list[str], not_told: list[str]
) -> None:
    advice = sentence(balance(0.0, 9.0, compute=9.0), CPU | settings, clips=3).split("; try ")[1]
    assert [words for words in told if words not in advice] == []
    assert [words for words in not_told if words in advice] == []


@pytest.mark.parametrize("stage", [CROP, AGGREGATE])
@pytest.mark.parametrize("backend", ["onnxruntime cpu 1 thread", "onnxruntime cuda:0", "tensorrt cuda:0"])
@pytest.mark.parametrize(("views", "segments"), [("center", 1), ("ten", 25)])
def test_what_the_processor_does_is_not_cured_by_a_gpu(
    stage: str, backend: str, views: str, segments: int
) -> None:
    settings = CPU | {"backend": backend, "views": views, "segments": segments}
    told = sentence(balance(0.0, 9.0, **{stage: 6.0}, compute=2.0), settings, clips=3)
    assert told.startswith(stage)
    assert told.endswith("a faster processor")
    assert "GPU" not in told


def test_a_single_clip_that_the_engine_waits_for_is_told_of_several_at_once() -> None:
    work = balance(3.0, 6.0, compute=6.0, decode=3.0)
    assert "several clips in one call" in sentence(work, CPU, clips=1)
    assert "several clips in one call" not in sentence(work, CPU, clips=2)
    assert "several clips in one call" not in sentence(balance(0.5, 6.0, compute=9.0), CPU, clips=1)


def test_two_sides_that_are_equally_fast_are_told_so() -> None:
    assert "about equally long" in sentence(balance(1.0, 1.2, compute=8.0, decode=8.0), CPU, clips=3)
    assert "about equally long" not in sentence(balance(1.0, 3.0, compute=8.0, decode=6.0), CPU, clips=3)


def test_every_stage_has_words_and_a_remedy() -> None:
    for stage in (*DECODING, *INFERENCE):
        waits = (6.0, 0.0) if stage in DECODING else (0.0, 6.0)
        for views, segments in (("ten", 25), ("center", 1)):
            told = sentence(
                balance(*waits, **{stage.replace(" ", "_"): 3.0}),
                CPU | {"views": views, "segments": segments},
                clips=2,
            )
            assert told.startswith(stage)
            assert len(told.split("; try ")[1]) > 5
