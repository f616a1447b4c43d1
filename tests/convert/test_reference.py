"""The whole way from a checkpoint with the published names to an answer, against the original implementation."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame, clip_frames
from pptsn.runtime.frames.preprocess import ten_crop
from pptsn.runtime.recognizer import Recognizer
from tests.models import tiny_spec

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def clips(shared_dir: Path, reference: dict[str, Any]) -> dict[str, Path]:
    """The five reference clips, by name, found by their digest."""
    wanted = {entry["clip_sha256"]: entry["clip"] for entry in reference["clips"]}
    found = {}
    for path in sorted((shared_dir / "clips").rglob("*.*")):
        name = wanted.get(hashlib.sha256(path.read_bytes()).hexdigest())
        if name is not None:
            found[name] = path
    assert len(found) == 5
    return found


def test_frames_and_crops_are_the_original_bytes(reference: dict[str, Any], clips: dict[str, Path]) -> None:
    spec = tiny_spec(short_side=256, crop_size=224)
    for entry in reference["clips"]:
        *items, end = clip_frames([clips[entry["clip"]]], spec, segments=entry["num_seg"], rule="centre")
        assert isinstance(end, ClipEnd)
        assert end.frames == entry["frames_len"]
        frames = [item.pixels for item in items if isinstance(item, ClipFrame) for _ in range(item.weight)]
        stack = np.stack(frames)
        assert list(stack.shape) == entry["frames_shape"]
        assert hashlib.sha256(stack.tobytes()).hexdigest() == entry["frames_sha256"], entry["clip"]
        crops = ten_crop(frames, size=224)
        assert list(crops.shape) == entry["crops_shape"]
        assert hashlib.sha256(crops.tobytes()).hexdigest() == entry["crops_sha256"], entry["clip"]


@pytest.mark.slow
def test_answers_are_those_of_the_original(
    shared_dir: Path, reference: dict[str, Any], clips: dict[str, Path], seeded_model: Path
) -> None:
    entries = [entry for entry in reference["clips"] if "top5" in entry]
    assert len(entries) == 10
    with (
        np.load(shared_dir / "reference" / "logits.npz") as logits,
        Recognizer.open(seeded_model, device="cpu") as recognizer,
    ):
        for entry in entries:
            result = recognizer.classify(clips[entry["clip"]], segments=entry["num_seg"])
            expected = logits[f"{entry['clip']}:{entry['num_seg']}"]
            np.testing.assert_allclose(result.logits, expected, atol=1e-3, err_msg=entry["clip"])
            top = result.top(5)
            assert [p.class_id for p in top] == entry["top5"]
            np.testing.assert_allclose([p.score for p in top], entry["top5_score"], atol=1e-3)
