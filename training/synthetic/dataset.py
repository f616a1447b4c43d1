"""A small labelled set of real video files, for the demo and for tests of the whole way from training to answer.

The set must not leak: sizes, lengths, frame rates, backgrounds, file names and the order in the lists are drawn
without knowing a clip's class; `shapes=False` makes the same set without what names the class, on which nothing
can be learned.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.base.files import atomic_folder
from pptsn.training.data.workers import worker_pool
from pptsn.training.synthetic.mp4 import write_mp4
from pptsn.training.synthetic.scene import CLASS_NAMES, HARD, PLAIN, clip_frames, draw_layout

# To be raised with every change that gives other frames for the same settings.
_VERSION = 2
_RECORD = "synthetic.json"
_SPLITS = ("train", "val", "test")
_FILES = {_RECORD, "labels.txt", *(f"{split}.txt" for split in _SPLITS)}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SyntheticSettings:
    """What a synthetic set is made of.

    train_per_class, val_per_class, test_per_class: clips of each of the classes in the three splits.
    seed: 0 or more; the same settings give the same frames.
    shapes: False leaves out the moving shape, and with it all that tells the class.
    hard: smaller shapes, behind bars and in more noise, see `scene.HARD`.
    """

    train_per_class: int = 100
    val_per_class: int = 10
    test_per_class: int = 25
    seed: int = 0
    shapes: bool = True
    hard: bool = False

    def __post_init__(self) -> None:
        for name in ("train_per_class", "val_per_class", "test_per_class"):
            if getattr(self, name) < 1:
                raise UsageError(f"synthetic set, {name}", f"expected 1 or more, got {getattr(self, name)}")
        if self.seed < 0:
            raise UsageError("synthetic set, seed", f"expected 0 or more, got {self.seed}")

    def clips(self, split: str) -> int:
        """Return the number of clips in `split`."""
        per_class: int = getattr(self, f"{split}_per_class")
        return per_class * len(CLASS_NAMES)


@dataclass(frozen=True)
class SyntheticSet:
    """Where a set lies: its list files (`path label`, paths relative to `root`) and `labels` (`id name`)."""

    root: Path
    train: Path
    val: Path
    test: Path
    labels: Path

    @classmethod
    def at(cls, root: Path) -> SyntheticSet:
        """Return the places in a set that lies at `root`."""
        return cls(root, root / "train.txt", root / "val.txt", root / "test.txt", root / "labels.txt")


def _word(label: int) -> str:
    """Return the name of a class as it stands in file names."""
    return CLASS_NAMES[label].replace(" ", "_")


@dataclass(frozen=True)
class _Clip:
    """One clip to make."""

    settings: SyntheticSettings
    split: str
    index: int
    label: int

    @property
    def path(self) -> str:
        # The name tells people what an answer should be; nothing that learns or classifies reads it.
        return f"{self.split}/{self.index:05d}_{_word(self.label)}.mp4"


def make_dataset(
    output: Path, *, settings: SyntheticSettings, workers: int = 0, progress: Progress | None = None
) -> SyntheticSet:
    """Make the set in the folder `output`, whole or not at all, and return where its lists lie.

    A folder that already holds the set of these settings is left as it is; a set of other settings is replaced.
    workers: processes that make clips; 0 makes them in this one.
    progress: called after each clip with the clips done and the clips in all.
    Raises UsageError where `output` holds something that is no part of a synthetic set and would be lost,
    InputError where it cannot be written.
    """
    record = _record(settings)
    if output.is_dir():
        found = output / _RECORD
        if found.is_file() and found.read_bytes() == record.encode():
            return SyntheticSet.at(output)
        _check_replaceable(output)
    clips = [clip for split in _SPLITS for clip in _split_clips(settings, split)]
    with atomic_folder(output) as temporary:
        for split in _SPLITS:
            (temporary / split).mkdir()
        for done in _make_clips(temporary, clips, workers):
            if progress is not None:
                progress(done, len(clips))
        _write_lists(SyntheticSet.at(temporary), clips)
        (temporary / _RECORD).write_text(record, encoding="utf-8")
    return SyntheticSet.at(output)


def _check_replaceable(output: Path) -> None:
    """Refuse to replace a folder that holds anything but a synthetic set."""
    foreign = next(_foreign(output), None)
    if foreign is not None:
        cause = f"holds files that are no synthetic set ({foreign.relative_to(output)})"
        raise UsageError(output, cause, "choose an empty or a new folder")
    if any(output.iterdir()) and not (output / _RECORD).is_file():
        cause = f"holds files that are no synthetic set (it has no {_RECORD})"
        raise UsageError(output, cause, "choose an empty or a new folder")


def _foreign(output: Path) -> Iterator[Path]:
    """Yield what is in the folder `output` that no synthetic set has."""
    clip = re.compile(rf"\d{{5,}}_({'|'.join(map(_word, range(len(CLASS_NAMES))))})\.mp4")
    for path in sorted(output.iterdir()):
        if path.name in _SPLITS and path.is_dir():
            yield from (file for file in sorted(path.iterdir()) if file.is_dir() or not clip.fullmatch(file.name))
        elif path.name not in _FILES or path.is_dir():
            yield path


def _record(settings: SyntheticSettings) -> str:
    facts = {"version": _VERSION, "classes": CLASS_NAMES, **dataclasses.asdict(settings)}
    if not settings.hard:
        del facts["hard"]  # as in the records of sets from before there were hard ones
    return json.dumps(facts, indent=1) + "\n"


def _split_clips(settings: SyntheticSettings, split: str) -> list[_Clip]:
    """Return the clips of one split: as many of each class, in an order that tells nothing."""
    rng = np.random.default_rng([settings.seed, _SPLITS.index(split)])
    labels = rng.permutation(np.arange(settings.clips(split)) % len(CLASS_NAMES))
    return [_Clip(settings, split, index, int(label)) for index, label in enumerate(labels)]


def _make_clips(root: Path, clips: list[_Clip], workers: int) -> Iterator[int]:
    """Make all `clips`, yielding after each how many are done."""
    if workers == 0:
        for done, clip in enumerate(clips, 1):
            _make_clip(root, clip)
            yield done
        return
    pool = worker_pool(workers)
    try:
        results = pool.map(_make_clip, [root] * len(clips), clips, chunksize=8)
        yield from (done for done, _ in enumerate(results, 1))
    except BrokenProcessPool as error:
        raise PptsnError(root, "a process that makes clips died", "make them with fewer workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _make_clip(root: Path, clip: _Clip) -> None:
    settings = clip.settings
    key = (settings.seed, _SPLITS.index(clip.split), clip.index)
    scene_rng, shape_rng = np.random.default_rng([*key, 0]), np.random.default_rng([*key, 1])
    layout = draw_layout(scene_rng)
    name = CLASS_NAMES[clip.label] if settings.shapes else None
    style = HARD if settings.hard else PLAIN
    frames = clip_frames(layout, name, scene_rng=scene_rng, shape_rng=shape_rng, style=style)
    write_mp4(root / clip.path, frames, fps=layout.fps)


def _write_lists(made: SyntheticSet, clips: list[_Clip]) -> None:
    for split in _SPLITS:
        lines = [f"{clip.path} {clip.label}\n" for clip in clips if clip.split == split]
        getattr(made, split).write_text("".join(lines), encoding="utf-8")
    names = [f"{index} {name}\n" for index, name in enumerate(CLASS_NAMES)]
    made.labels.write_text("".join(names), encoding="utf-8")
