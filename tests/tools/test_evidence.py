"""The clips by which evidence is tried, and what counts as a hit."""

from pathlib import Path

import numpy as np

from pptsn.runtime.classify.evidence import CropLogits
from pptsn.training.synthetic.scene import CLASS_NAMES, clip_frames, draw_layout
from tests.clips import decode_plainly
from tests.runtime.classify.test_results import classification
from tools.evidence import Hits, SpottedClip, make_clips

CROPS = ("top left", "top right", "bottom left", "bottom right", "centre")


def test_the_shape_shows_in_its_third_and_its_corner_alone(tmp_path: Path) -> None:
    made = list(make_clips(tmp_path, clips=6, seed=3))
    assert [clip.label for clip in made] == list(range(6))
    assert len({clip.corner for clip in made}) > 1
    for number, clip in enumerate(made):
        scene_rng = np.random.default_rng([3, number, 0])
        layout = draw_layout(scene_rng)
        empty = clip_frames(layout, None, scene_rng=scene_rng, shape_rng=np.random.default_rng(0))
        for index, (frame, scene) in enumerate(zip(decode_plainly(clip.path), empty, strict=True)):
            differs = np.abs(frame.astype(int) - scene.astype(int)).max(axis=2) > 60
            rows, columns = np.nonzero(differs)
            assert (differs.mean() > 0.01) == (index in clip.spot.frames)
            if index in clip.spot.frames:
                height, width = differs.shape
                assert ("right" in clip.corner) == (np.median(columns) > width / 2)
                assert ("bottom" in clip.corner) == (np.median(rows) > height / 2)


def answer(label: int, frame: int, crop: int):  # type: ignore[no-untyped-def]
    """Return an answer for class `label` to which one crop of one frame of six adds most."""
    logits = np.zeros((6, 5, len(CLASS_NAMES)), np.float32)
    logits[frame, crop, label] = 9
    return classification(
        logits=logits.mean(axis=(0, 1)),
        labels=CLASS_NAMES,
        crop_logits=CropLogits(logits, tuple(range(6)), (None,) * 6, CROPS),
    )


def test_what_is_answered_rightly_counts_by_moment_and_corner(tmp_path: Path) -> None:
    (clip,) = make_clips(tmp_path, clips=1, seed=0)
    shown, corner = clip.spot.frames[0], CROPS.index(clip.corner)
    assert shown < 6
    elsewhere = next(frame for frame in range(6) if frame not in clip.spot.frames)
    hits = Hits()
    for one in (
        answer(clip.label, shown, corner),
        answer(clip.label, elsewhere, corner),
        answer(clip.label, shown, 4),
        answer(clip.label + 1, shown, corner),
    ):
        hits.add(SpottedClip(clip.path, clip.label, clip.spot), one)
    assert (hits.clips, hits.right, hits.moment, hits.corner, hits.part) == (4, 3, 2, 2, 1)
    assert list(hits.lines())[1].endswith(": 1 (33.3%)")
