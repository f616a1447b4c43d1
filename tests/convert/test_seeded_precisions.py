"""FP16 and INT8 of the seeded ResNet-50, whose random convolutions amplify every rounding, on real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.fp16.conversion import convert_to_fp16
from pptsn.convert.fp16.options import Fp16Options
from pptsn.convert.frames import calibration_sources
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.convert.verify.agreement import normalised_errors
from pptsn.convert.verify.logits import clip_logits, opened
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.classify.sources import contents_of
from tests.convert.int8.test_conversion import no_bar

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CLIPS = 104


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> list[str]:
    """Real clips of all actions."""
    videos = contents_of(shared_dir / "clips" / "actions").videos
    return [videos[i * len(videos) // CLIPS] for i in range(CLIPS)]


def test_fp16_answers_as_fp32_does(seeded_model: Path, clips: list[str], shared_dir: Path, tmp_path: Path) -> None:
    half = tmp_path / "m.fp16.onnx"
    # The tolerance is for trained networks and for FP16 arithmetic, which is judged here by itself.
    sources = calibration_sources(str(shared_dir / "clips" / "actions"))
    report = convert_to_fp16(seeded_model, half, clips=sources, options=Fp16Options(tolerance=0.1))
    assert report.figures.error_median < 0.05
    assert half.stat().st_size <= 0.51 * seeded_model.stat().st_size
    runs = Runs(segments=3, views="center", device="cpu")
    with opened([seeded_model, half], runs) as engines:
        found, skipped, _ = clip_logits(engines, clips, runs)
    assert not skipped
    fp32, fp16 = (np.stack([logits[place] for logits in found.values()]) for place in (0, 1))
    assert normalised_errors(fp16, fp32).max() <= 0.02
    leading = np.sort(fp32, axis=1)
    clear = leading[:, -1] - leading[:, -2] > np.abs(fp16 - fp32).max(axis=1)
    assert clear.mean() > 0.5
    assert np.array_equal(fp16[clear].argmax(axis=1), fp32[clear].argmax(axis=1))


@pytest.mark.parametrize(("target", "share"), [("tensorrt", 0.27), ("cpu", 0.29)])
def test_int8_is_a_quarter_of_the_size(
    seeded_model: Path, clips: list[str], tmp_path: Path, target: str, share: float
) -> None:
    options = Int8Options(target=target, method="mse", frames=36, min_agreement=0, compensate=False, cache=False)
    result = convert_to_int8(seeded_model, tmp_path / "m.int8.onnx", clips, options=options, bar=no_bar)
    assert (result.quantized, result.convolutions) == (55, 55)
    assert (tmp_path / "m.int8.onnx").stat().st_size <= share * seeded_model.stat().st_size
