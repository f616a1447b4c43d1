"""Sources of all kinds: good, odd, damaged, missing."""

from __future__ import annotations

import random
from pathlib import Path

import cv2

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.decoding.clips import Excerpt, Source
from tests.clips import cut_file, damage_packets, picture, write_clip, write_joined, write_sound


def all_kinds(folder: Path) -> list[Source]:
    """Write clips to `folder`, and return sources of every kind, in a fixed order."""
    folder.mkdir(exist_ok=True)
    good = [
        write_clip(folder / f"{i}.mp4", frames=frames, width=width, height=height)
        for i, (frames, width, height) in enumerate([(30, 96, 64), (7, 64, 96), (45, 80, 80), (12, 320, 64)])
    ]
    empty, text = folder / "empty.mp4", folder / "text.mp4"
    empty.touch()
    text.write_text("no video\n" * 100)
    return [
        *good,
        damage_packets(write_clip(folder / "damaged.mp4"), [5, 17]),
        damage_packets(write_clip(folder / "wiped.mp4"), range(48), wipe=True),
        cut_file(write_clip(folder / "cut.mkv"), 0.6),
        folder / "missing.mp4",
        str(empty),
        InputError("@list", "the list names no source", "expected one source a line"),
        write_sound(folder / "sound.mp4"),
        text,
        write_joined(folder / "joined.h264", (96, 64), (64, 64)),
        _pictures(folder / "pictures"),
        Excerpt(folder / "pictures", 5),
        Excerpt(good[0], 31),
        write_clip(folder / "old.avi", codec="mpeg4", options={}),
        good[0],
    ]


def _pictures(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(1, 9):
        cv2.imwrite(str(folder / f"img_{number:05}.jpg"), picture(number)[..., ::-1])
    return folder


def mutate(path: Path, target: Path, *, seed: int) -> Path:
    """Write a copy of the file at `path` to `target` with a few bytes changed, cut off, left out or doubled."""
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    kind = chance.choice(("flip", "flip", "flip", "cut", "remove", "repeat", "zero"))
    at = chance.randrange(len(data))
    length = chance.randrange(1, max(2, len(data) // 10))
    if kind == "flip":
        for _ in range(chance.choice((1, 3, 10, 100))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "remove":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length]
    else:
        data[at : at + length] = bytes(len(data[at : at + length]))
    target.write_bytes(data)
    return target
