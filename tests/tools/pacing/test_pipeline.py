"""How near the pipeline comes to what stand-in devices and stand-in decoders could do, which all sleep."""

from __future__ import annotations

import time

import pytest

from pptsn.runtime.classify.results import Classification
from pptsn.runtime.recognizer import Recognizer
from tests.models import tiny_spec
from tools.pacing.stand_in import StandInDecoder, StandInEngine

# A busy machine may take this many tries to leave a pipeline alone for a second or two.
_TRIES = 5
_SHARE = 0.95
# Clips of 8 frames of 5 crops, in batches of 20: two batches a clip.
_FRAMES, _BATCH = 8, 20
_CLIP_S, _BATCH_S = 0.4, 0.06


def rate_of(*, decoders: int, devices: int, clips: int) -> float:
    """Return the clips a second of a Recognizer, from the end of the clips that were decoded first."""
    engine = StandInEngine(tiny_spec(mirror=True), batch_s=_BATCH_S, batch_size=_BATCH, devices=devices)
    pool = StandInDecoder(_CLIP_S, _FRAMES).pool(clips, decoders)
    done_s = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pptsn.runtime.recognizer.decoded_ahead", lambda *_, **__: pool)
        for number, result in enumerate(Recognizer(engine).classify_many(["the pool's"], segments=_FRAMES)):
            assert isinstance(result, Classification)
            assert result.source == f"{number}.mp4"
            assert result.logits[0] == number % 256
            done_s.append(time.perf_counter())
    assert len(done_s) == clips
    return (clips - decoders) / (done_s[-1] - done_s[decoders - 1])


@pytest.mark.parametrize(
    ("decoders", "devices"),
    [
        (1, 1),
        (4, 1),
        pytest.param(8, 4, marks=pytest.mark.slow),
        pytest.param(2, 1, marks=pytest.mark.slow),
        pytest.param(8, 1, marks=pytest.mark.slow),
        pytest.param(8, 8, marks=pytest.mark.slow),
        pytest.param(1, 8, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_pipeline_reaches_what_the_slower_of_decoders_and_devices_could_do(decoders: int, devices: int) -> None:
    possible = min(decoders / _CLIP_S, devices / (2 * _BATCH_S))
    clips = decoders * (1 + max(1, round(1.5 * possible / decoders)))
    found = [0.0]
    for _ in range(_TRIES):
        found.append(rate_of(decoders=decoders, devices=devices, clips=clips))
        if found[-1] >= _SHARE * possible:
            return
    pytest.fail(f"{max(found):.2f} clips a second at best, {possible:.2f} were possible")
