"""Every real clip: as many frames as its manifest says, and the bytes of a plain decode; never a hang."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.sampling import centre_indices, linspace_indices
from pptsn.runtime.video import VideoReader, open_video
from tests.clips import decode_plainly_at

pytestmark = pytest.mark.shared

# Pixels of all frames together, beyond which a clip is compared at fewer of them.
_LARGE = 60_000_000
# The header of this clip is right, and its packets are not.
_DAMAGED = {"decoders/decord_corrupted.mp4": 1}
_CHANGES_SIZE = "decoders/vali_test_res_change.h264"
# The beginnings of longer files, whose headers say how long those were.
_ENDS_EARLY = ("decoders/nestegg_bug1592193.webm", "decoders/nestegg_demo_short.webm")
# Frames are looked up in these, except where packets are damaged or hold pictures that are never shown.
_SEEKABLE = (".mp4", ".mov", ".3gp", ".mkv", ".webm", ".ts")
_UNSEEKABLE = (
    *_DAMAGED,
    "decoders/exo_roadtrip-vp92-10bit.webm",
    "decoders/nestegg_bug1592193.webm",
    "decoders/exo_sample_sef_slow_motion.mp4",  # and its frames come out in another order than their times
)


def _manifest(shared: Path) -> list[dict[str, str]]:
    with open(shared / "clips" / "MANIFEST.tsv", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def _rows(shared: Path, *, synthetic: bool) -> list[dict[str, str]]:
    """Return the clips with frames; of those of one synthetic family, alike but for their colours, every ninth."""
    rows = [row for row in _manifest(shared) if int(row["frames"])]
    shapes = [row for row in rows if "/shape_" in row["path"]]
    others = [row for row in rows if "/shape_" not in row["path"]]
    return shapes[::9] if synthetic else others


def test_every_clip_has_the_frames_that_its_manifest_counts(shared_dir: Path) -> None:
    wrong = []
    for row in _manifest(shared_dir):
        path = shared_dir / "clips" / row["path"]
        try:
            with open_video(path) as video:
                count = video.frame_count()
        except InputError as error:
            count = 0 if str(error).count("\n") == 0 else -1
        if count != int(row["frames"]):
            wrong.append((row["path"], count, row["frames"]))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_frames_are_those_of_a_plain_decode(part: int, shared_dir: Path) -> None:
    rows = _rows(shared_dir, synthetic=False) + _rows(shared_dir, synthetic=True)
    for row in rows[part::4]:
        _compare(shared_dir / "clips" / row["path"], row)


def _compare(path: Path, row: dict[str, str]) -> None:
    count = int(row["frames"])
    large = count * int(row["width"]) * int(row["height"]) > _LARGE
    rng = np.random.default_rng(0)
    some = sorted({0, count - 1, *rng.integers(count, size=4).tolist()})
    requests = [centre_indices(count, 3 if large else 25)]
    requests += [some] if large else [centre_indices(count, 3), linspace_indices(count, 8), [0, count - 1], some]
    wanted = {index for request in requests for index in request}
    expected = {index: _digest(pixels) for index, pixels in decode_plainly_at(path, wanted)}
    with VideoReader(path) as video:
        for request in requests:
            frames = video.read_sampled(lambda _, request=request: request)
            assert [frame.index for frame in frames] == request
            assert all(_digest(frame.pixels) == expected[frame.index] for frame in frames), (path, request)
        assert video.lost_frames == _DAMAGED.get(row["path"], 0), path
        assert bool(video.warnings) == (row["path"] in (*_DAMAGED, *_ENDS_EARLY, _CHANGES_SIZE)), (
            path,
            video.warnings,
        )
        assert video.seeks == (path.suffix in _SEEKABLE and row["path"] not in _UNSEEKABLE), path


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
