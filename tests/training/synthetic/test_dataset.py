"""The synthetic set: what is in it, that it is the same each time, and that only the shapes tell the classes.

The leak tests train a cheap classifier that sees what a network could cheat with (colours, still background,
sizes, lengths, bytes).  With the shapes in, the same classifier does well, so that the tests can fail.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.video import open_video
from pptsn.training.synthetic import dataset
from pptsn.training.synthetic.dataset import SyntheticSet, SyntheticSettings, make_dataset
from pptsn.training.synthetic.mp4 import write_mp4
from pptsn.training.synthetic.scene import CLASS_NAMES

CLASSES = len(CLASS_NAMES)
TINY = SyntheticSettings(train_per_class=1, val_per_class=1, test_per_class=1, seed=5)


@dataclass(frozen=True)
class Seen:
    """What the cheap classifier sees of the clips of one split."""

    pictures: np.ndarray
    file_facts: np.ndarray
    labels: np.ndarray


def read_frames(path: str) -> np.ndarray:
    with open_video(path) as video:
        return np.stack([frame.pixels for frame in video.frames()])


def frame_rate(path: str) -> int:
    with av.open(path) as container:
        return round(float(container.streams.video[0].average_rate))


def hues(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A histogram of the hues of saturated pixels, as shares of the picture."""
    hsv = cv2.cvtColor(pixels.reshape(1, -1, 3), cv2.COLOR_RGB2HSV)[0]
    chosen = hsv[mask.ravel() & (hsv[:, 1] > 120), 0]
    return np.histogram(chosen, bins=18, range=(0, 180))[0] / len(hsv)


def see(samples: list[Sample]) -> Seen:
    pictures, facts = [], []
    for sample in samples:
        frames, fps = read_frames(sample.path), frame_rate(sample.path)
        count, height, width, _ = frames.shape
        size = Path(sample.path).stat().st_size
        facts.append(
            [width, height, width / height, fps, count, count / fps, size, size / (count * width * height)]
        )
        small = np.stack([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in frames[::2]])
        moving = np.abs(small - np.median(small, axis=0)).max(axis=-1) > 40
        tiny = [cv2.resize(frame, (6, 6), interpolation=cv2.INTER_AREA).ravel() / 255 for frame in small]
        colours = [np.sqrt(hues(small, mask)) for mask in (np.ones(moving.shape, bool), moving)]
        pictures.append(np.concatenate([*colours, np.mean(tiny, 0), np.std(tiny, 0)]))
    return Seen(np.array(pictures), np.array(facts, float), np.array([sample.label for sample in samples]))


def accuracy(train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Top-1 of ridge regression onto the classes, on standardised features and their random products."""
    mean, spread = train.mean(0), train.std(0) + 1e-9
    mix = np.random.default_rng(0).normal(size=(train.shape[1], 300)) / np.sqrt(train.shape[1])

    def features(x: np.ndarray) -> np.ndarray:
        x = np.clip((x - mean) / spread, -4, 4)
        return np.concatenate([x, np.maximum(x @ mix, 0), np.ones((len(x), 1))], axis=1)

    a, target = features(train), np.eye(CLASSES)[train_labels]
    weights = a.T @ np.linalg.solve(a @ a.T + 30 * np.eye(len(a)), target)
    return float(((features(test) @ weights).argmax(1) == test_labels).mean())


def top1(train: Seen, test: Seen, kind: str) -> float:
    return accuracy(getattr(train, kind), train.labels, getattr(test, kind), test.labels)


def near_chance(clips: int) -> float:
    """Four standard deviations more than chance, of so many test clips: 0.22 of 200."""
    chance = 1 / CLASSES
    return chance + 4 * float(np.sqrt(chance * (1 - chance) / clips))


@pytest.fixture(scope="module", params=[(10, 14), pytest.param((15, 25), marks=pytest.mark.slow)])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """The training and the test clips of each class."""
    return request.param  # type: ignore[no-any-return]


def made(folder: Path, size: tuple[int, int], *, shapes: bool) -> tuple[SyntheticSet, Seen, Seen]:
    train, test = size
    settings = SyntheticSettings(train_per_class=train, val_per_class=1, test_per_class=test, shapes=shapes)
    found = make_dataset(folder, settings=settings, workers=2)
    return found, see(read_list(found.train)), see(read_list(found.test))


@pytest.fixture(scope="module")
def with_shapes(tmp_path_factory: pytest.TempPathFactory, size) -> tuple[SyntheticSet, Seen, Seen]:
    return made(tmp_path_factory.mktemp("with"), size, shapes=True)


@pytest.fixture(scope="module")
def without_shapes(tmp_path_factory: pytest.TempPathFactory, size) -> tuple[SyntheticSet, Seen, Seen]:
    return made(tmp_path_factory.mktemp("without"), size, shapes=False)


def test_there_are_at_least_eight_classes_evenly_in_every_split(with_shapes, size) -> None:
    found, _, _ = with_shapes
    assert CLASSES >= 8
    assert found.labels.read_text().splitlines() == [f"{i} {name}" for i, name in enumerate(CLASS_NAMES)]
    for path, count in ((found.train, size[0]), (found.val, 1), (found.test, size[1])):
        labels = [sample.label for sample in read_list(path, classes=CLASSES)]
        assert Counter(labels) == dict.fromkeys(range(CLASSES), count)


def test_clips_are_h264_files_of_many_sizes_lengths_and_rates(with_shapes) -> None:
    found, train, test = with_shapes
    sample = read_list(found.test)[0]
    with av.open(sample.path) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    facts = np.concatenate([train.file_facts, test.file_facts])
    width, height, _, fps, _, seconds = facts.T[:6]
    assert min(width.min(), height.min()) >= 96
    assert max(width.max(), height.max()) <= 160
    assert (width > height).mean() > 0.3
    assert (width < height).mean() > 0.3
    assert set(fps) == {12, 15, 20, 24, 25}
    assert 0.55 < seconds.min() < 0.8
    assert 1.3 < seconds.max() < 1.6
    assert len({(w, h) for w, h in zip(width, height, strict=True)}) > 50


def test_the_shapes_can_be_told_by_a_cheap_classifier(with_shapes) -> None:
    _, train, test = with_shapes
    assert top1(train, test, "pictures") > 0.35


def test_nothing_tells_the_class_where_the_shapes_are_left_out(without_shapes) -> None:
    _, train, test = without_shapes
    assert top1(train, test, "pictures") < near_chance(len(test.labels))


def test_sizes_lengths_rates_and_bytes_do_not_tell_the_class(with_shapes, without_shapes) -> None:
    for _, train, test in (with_shapes, without_shapes):
        assert top1(train, test, "file_facts") < near_chance(len(test.labels))


def test_shuffled_labels_teach_nothing(with_shapes) -> None:
    _, train, test = with_shapes
    shuffled = np.random.default_rng(1).permutation(train.labels)
    found = accuracy(train.pictures, shuffled, test.pictures, test.labels)
    assert found < near_chance(len(test.labels))


def test_the_place_in_a_list_does_not_tell_the_class(with_shapes) -> None:
    _, train, test = with_shapes
    places = [np.arange(len(x.labels))[:, None] % np.array([[2, 3, 4, 8, 16, 1000]]) for x in (train, test)]
    found = accuracy(places[0].astype(float), train.labels, places[1].astype(float), test.labels)
    assert found < near_chance(len(test.labels))


def test_leaving_the_shapes_out_changes_nothing_else(with_shapes, without_shapes) -> None:
    for split in ("train", "test"):
        lists = [getattr(found, split) for found, _, _ in (with_shapes, without_shapes)]
        assert lists[0].read_text() == lists[1].read_text()
        with_shape, without = (read_frames(read_list(path)[3].path) for path in lists)
        assert with_shape.shape == without.shape
        differs = (np.abs(with_shape.astype(int) - without).max(axis=-1) > 40).mean(axis=(1, 2))
        assert 0.03 < differs.mean() < 0.35  # the shape, and no more
        assert differs.min() > 0.02  # in every frame


def test_the_shape_moves_in_every_clip(with_shapes, without_shapes) -> None:
    (found, _, _), (bare, _, _) = with_shapes, without_shapes
    for sample, background in list(zip(read_list(found.test), read_list(bare.test), strict=True))[:20]:
        frames, plain = read_frames(sample.path), read_frames(background.path)
        where = []
        for index in (0, len(frames) // 2, len(frames) - 1):
            y, x = np.nonzero(np.abs(frames[index].astype(int) - plain[index]).max(axis=-1) > 40)
            where.append((x.mean(), y.mean()))
        assert max(np.hypot(*np.subtract(where[i], where[0])) for i in (1, 2)) > 3


def test_the_same_settings_give_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    sets = [make_dataset(tmp_path / str(workers), settings=TINY, workers=workers) for workers in (0, 2)]
    files = [sorted(p.relative_to(s.root) for p in s.root.rglob("*") if p.is_file()) for s in sets]
    assert files[0] == files[1]
    assert len(files[0]) == 3 * CLASSES + 5
    for path in files[0]:
        assert (sets[0].root / path).read_bytes() == (sets[1].root / path).read_bytes()
    other = SyntheticSettings(train_per_class=1, val_per_class=1, test_per_class=1, seed=6)
    different = make_dataset(tmp_path / "other", settings=other)
    clips = [{path.read_bytes() for path in made.root.rglob("*.mp4")} for made in (different, sets[0])]
    assert clips[0].isdisjoint(clips[1])


def test_the_three_splits_share_no_clip(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "set", settings=TINY).root
    clips = [path.read_bytes() for path in root.rglob("*.mp4")]
    assert len(set(clips)) == len(clips) == 3 * CLASSES


def test_a_set_is_made_once_and_again_for_other_settings(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def make(settings: SyntheticSettings) -> SyntheticSet:
        calls.clear()
        return make_dataset(tmp_path / "set", settings=settings, progress=lambda *state: calls.append(state))

    found = make(TINY)
    assert calls == [(done, 24) for done in range(1, 25)]
    made_at = found.train.stat().st_mtime_ns
    assert make(TINY) == found
    assert calls == []
    assert found.train.stat().st_mtime_ns == made_at
    assert make(SyntheticSettings(train_per_class=2, val_per_class=1, test_per_class=1)).root == found.root
    assert len(calls) == 32
    assert len(read_list(found.train)) == 16


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_late(path: Path, *args, **options) -> None:
        if path.name.startswith("00005_"):
            raise KeyboardInterrupt
        write_mp4(path, *args, **options)

    monkeypatch.setattr(dataset, "write_mp4", fail_late)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path / "set", settings=TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="no synthetic set"):
        make_dataset(tmp_path, settings=TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("mine", ["notes.txt", "train/holiday.mp4", "val/more/00000_a.mp4", "labels.txt/mine"])
def test_a_set_with_files_of_others_is_not_replaced(tmp_path: Path, mine: str) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / f"00000_{CLASS_NAMES[0].replace(' ', '_')}.mp4").touch()
    (tmp_path / "synthetic.json").write_text("other settings")
    (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mine).write_text("mine")
    with pytest.raises(UsageError, match=r"no synthetic set \((notes|train/hol|val/more|labels)"):
        make_dataset(tmp_path, settings=TINY)
    assert (tmp_path / mine).read_text() == "mine"


@pytest.mark.parametrize("wrong", [{"train_per_class": 0}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SyntheticSettings(**wrong)


def trained_top1(folder: Path, found: SyntheticSet, *, shuffled: bool = False) -> float:
    """Test top-1, by centre crops, of the demo's network after a short training."""
    from pptsn.training.evaluation import evaluate
    from pptsn.training.recipe import load_recipe
    from pptsn.training.trainer import train

    lists = {"train": found.train, "val": found.val, "test": found.test}
    if shuffled:
        samples = read_list(found.train)
        labels = np.random.default_rng(1).permutation([sample.label for sample in samples])
        lists["train"] = folder / "shuffled.txt"
        lines = [f"{sample.path} {label}\n" for sample, label in zip(samples, labels, strict=True)]
        lists["train"].write_text("".join(lines))
    changes = [f"data.{split}={path}" for split, path in lists.items()]
    changes += [f"data.labels={found.labels}", "model.short_side=48", "model.crop_size=40", "optimizer.epochs=3"]
    recipe = load_recipe(Path(__file__).parents[3] / "configs" / "demo.yaml", changes)
    result = train(recipe, folder / "run")
    return evaluate(recipe, result.last_weights, views="center", segments=1).top1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shapes", "shuffled", "low", "high"),
    [(True, False, 0.5, 1.0), (False, False, 0.0, near_chance(200)), (True, True, 0.0, near_chance(200))],
    ids=["with shapes", "without shapes", "shuffled labels"],
)
def test_the_demo_network_learns_from_the_shapes_alone(
    tmp_path: Path, synthetic_set: SyntheticSet, shapes: bool, shuffled: bool, low: float, high: float
) -> None:
    settings = SyntheticSettings(val_per_class=2, shapes=False)
    found = synthetic_set if shapes else make_dataset(tmp_path / "set", settings=settings, workers=2)
    assert low <= trained_top1(tmp_path, found, shuffled=shuffled) <= high
