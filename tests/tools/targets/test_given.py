from pathlib import Path

import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.engines import open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.targets.given import measure_array


def test_the_share_is_of_the_files_inference(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    method = Method(repeats=2, least_iterations=4)
    with open_engine(write_tiny_model(tmp_path / "m.onnx"), device="cpu") as engine:
        result = measure_array(engine, clip, method, model="tiny", segments=5, views="center")
    pairs = zip(result["array_ms"].repeats, result["file_inference_ms"].repeats, strict=True)
    assert result["array_share_percent"].repeats == pytest.approx([100 * array / file for array, file in pairs])
    assert result.facts["frames"] == 12
    assert result.facts["same_logits"]
