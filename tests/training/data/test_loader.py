import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, PptsnError, ToldElsewhereError, UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.data.loader import Batch, Loader, batch_count, batch_order, full_batches
from pptsn.training.ranks.environment import Member
from pptsn.training.ranks.group import Ranks
from tests.runtime.workers.processes import is_ended
from tests.training.clips import counting_clip, level_clips
from tests.training.ranks.test_group import by_ranks
from tests.waiting import wait_until

SETTINGS = ClipSettings(num_seg=2, short_side=32, crop_size=24, max_unreadable=0.2)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return level_clips(tmp_path_factory.mktemp("clips"), 20)


@pytest.fixture(scope="module")
def pool() -> Iterator[Loader]:
    with Loader(SETTINGS, batch_size=4, workers=2, seed=3) as loader:
        yield loader


@pytest.fixture
def inline() -> Loader:
    return Loader(SETTINGS, batch_size=4, workers=0, seed=3)


def spoilt(samples: list[Sample], *places: int) -> list[Sample]:
    return [Sample(f"/missing/{i}.mp4", s.label) if i in places else s for i, s in enumerate(samples)]


def equal(a: Batch, b: Batch) -> bool:
    arrays = ((a.crops, b.crops), (a.labels, b.labels), (a.indices, b.indices))
    return all(np.array_equal(x, y) for x, y in arrays) and a.unreadable == b.unreadable


def clips_of(batches: list[Batch]) -> list[int]:
    return [int(index) for batch in batches for index in batch.indices]


def test_a_batch_holds_crops_with_their_labels(inline: Loader, samples: list[Sample]) -> None:
    batch = next(iter(inline.batches(samples, mode="train")))
    assert (batch.crops.shape, batch.crops.dtype) == ((4, 2, 24, 24, 3), np.uint8)
    assert (batch.labels.dtype, batch.indices.dtype, len(batch)) == (np.int64, np.int64, 4)
    assert np.array_equal(batch.labels, batch.indices)  # each clip is labelled with its place
    for row, index in zip(batch.crops, batch.indices, strict=True):
        np.testing.assert_allclose(row.mean(axis=(0, 1, 2)), 10 * index, atol=3)


def test_worker_processes_give_the_batches_that_this_process_gives(
    inline: Loader, pool: Loader, samples: list[Sample]
) -> None:
    clips = spoilt(samples, 5)
    for mode, epoch in (("train", 0), ("train", 1), ("val", 0)):
        alone, together = ([*x.batches(clips, mode=mode, epoch=epoch)] for x in (inline, pool))
        assert len(alone) == len(together) > 0
        assert all(map(equal, alone, together))


def test_training_shuffles_by_seed_and_epoch_and_drops_what_is_no_full_batch(samples: list[Sample]) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = Loader(SETTINGS, batch_size=6, workers=0, seed=seed)
        batches = [*loader.batches(samples, mode="train", epoch=epoch)]
        assert [len(batch) for batch in batches] == [6] * batch_count(20, mode="train", batch_size=6) == [6] * 3
        return clips_of(batches)

    first = order(0, 0)
    assert len(set(first)) == 18
    assert first != sorted(first)
    assert first == order(0, 0)
    assert first != order(0, 1)
    assert first != order(1, 0)


def test_the_augmentation_of_a_clip_changes_with_the_epoch(inline: Loader, samples: list[Sample]) -> None:
    gradient = np.tile(np.arange(48, dtype=np.uint8) * 4, (36, 1))
    from pptsn.training.synthetic.mp4 import write_mp4

    path = Path(samples[0].path).with_name("gradient.mp4")
    write_mp4(path, [np.stack([gradient] * 3, axis=-1)] * 3, fps=10)
    clips = [Sample(str(path), 0)] * 4
    first, again, other = (next(iter(inline.batches(clips, mode="train", epoch=epoch))) for epoch in (0, 0, 1))
    order, others = np.argsort(first.indices), np.argsort(other.indices)
    assert equal(first, again)
    assert not np.array_equal(first.crops[order], other.crops[others])
    assert not np.array_equal(first.crops[0], first.crops[1])  # nor is it the same for all places in the list


def test_validation_visits_every_clip_once_in_the_order_of_the_list(inline: Loader, samples: list[Sample]) -> None:
    batches = [*inline.batches(samples[:10], mode="val")]
    assert clips_of(batches) == list(range(10))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert len(batches) == batch_count(10, mode="val", batch_size=4)


def test_an_unreadable_clip_is_named_and_left_out(inline: Loader, samples: list[Sample]) -> None:
    batches = [*inline.batches(spoilt(samples, 2, 19), mode="val")]
    named = [line for batch in batches for line in batch.unreadable]
    assert ["/missing/2.mp4" in named[0], "/missing/19.mp4" in named[1], len(named)] == [True, True, 2]
    assert clips_of(batches) == [i for i in range(20) if i not in (2, 19)]


@pytest.mark.parametrize("turn", [0, 7, 18, 19])
def test_in_training_an_unreadable_clip_is_named_whenever_its_turn_is(
    inline: Loader, samples: list[Sample], turn: int
) -> None:
    clip = int(batch_order(len(samples), mode="train", seed=3, epoch=0)[turn])
    named: list[str] = []
    batches = [*full_batches(inline.batches(spoilt(samples, clip), mode="train"), named)]
    assert [len(batch) for batch in batches] == [4] * 4
    assert clip not in clips_of(batches)
    assert [f"/missing/{clip}.mp4" in line for line in named] == [True]


def test_validation_reports_unreadable_clips_that_no_readable_one_follows(
    inline: Loader, samples: list[Sample]
) -> None:
    batches = [*inline.batches(spoilt(samples[:5], 4), mode="val")]
    assert [len(batch) for batch in batches] == [4, 0]
    assert len(batches[1].unreadable) == 1
    assert batches[1].crops.shape == (0, 2, 24, 24, 3)


def test_too_many_unreadable_clips_are_an_error_that_names_some(inline: Loader, samples: list[Sample]) -> None:
    with pytest.raises(InputError, match=r"5 of 20 clips cannot be read, more than 20 %.*/missing/\d.mp4"):
        list(inline.batches(spoilt(samples, 0, 1, 2, 3, 4), mode="val"))
    assert len(list(inline.batches(spoilt(samples, 0, 1, 2, 3), mode="val"))) == 4


@pytest.mark.parametrize(("missing", "may"), [((0, 4, 8, 12), True), ((0, 4, 8, 12, 16), False)])
def test_what_may_be_unreadable_is_a_share_of_the_list_and_not_of_a_ranks_part(
    samples: list[Sample], missing: tuple[int, ...], may: bool
) -> None:
    part = Loader(SETTINGS, batch_size=4, workers=0, seed=3, member=Member(0, 4))  # has each fourth clip
    batches = part.batches(spoilt(samples, *missing), mode="val")
    if may:
        assert sum(len(batch.unreadable) for batch in batches) == 4
        return
    with pytest.raises(InputError, match=r"5 of 20 clips cannot be read, more than 20 %"):
        list(batches)


@pytest.mark.parametrize(("counts", "may"), [((2, 2), True), ((3, 2), False), ((0, 5), False)])
def test_more_unreadable_clips_than_may_of_all_ranks_end_them(
    samples: list[Sample], inline: Loader, counts: tuple[int, int], may: bool
) -> None:
    def lines_of(ranks: Ranks) -> list[str]:
        own = [f"clip {number} of rank {ranks.rank}" for number in range(counts[ranks.rank])]
        return inline.unreadable_of_all(own, samples, ranks)

    first, second = by_ranks(2, lines_of)
    if may:
        assert first == second
        assert len(first) == sum(counts)
    else:
        assert "5 of 20 clips cannot be read, more than 20 %" in str(first)
        assert isinstance(second, ToldElsewhereError)


def test_a_list_too_short_for_one_training_batch_is_refused(inline: Loader, samples: list[Sample]) -> None:
    with pytest.raises(UsageError, match="batch_size: is 4, but the list has 3 clips"):
        next(iter(inline.batches(samples[:3], mode="train")))
    assert len(list(inline.batches(samples[:3], mode="val"))) == 1


def test_no_more_clips_are_loaded_ahead_than_a_bound(pool: Loader, samples: list[Sample]) -> None:
    begun = []

    class Counted(list[Sample]):
        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            begun.append(index)
            return super().__getitem__(index)

    batches = pool.batches(Counted(samples * 3), mode="val")
    next(batches)
    time.sleep(0.5)
    # Of each process: what waits in its slots, and the clip that waits for one.
    assert 4 < len(set(begun)) <= 4 + 2 * 4 + 2
    batches.close()


def test_a_consumer_that_stops_early_leaves_a_loader_that_works(pool: Loader, samples: list[Sample]) -> None:
    for _ in range(3):
        for _batch in pool.batches(samples, mode="train"):
            break
    with pytest.raises(RuntimeError, match="mine"):
        for _batch in pool.batches(samples, mode="train"):
            raise RuntimeError("mine")
    assert len(list(pool.batches(samples, mode="val"))) == 5


def test_leaving_the_loader_ends_its_processes(samples: list[Sample]) -> None:
    before = set(multiprocessing.active_children())
    with Loader(SETTINGS, batch_size=4, workers=2) as loader:
        batches = loader.batches(samples, mode="train")
        next(batches)
        mine = [process.pid for process in set(multiprocessing.active_children()) - before]
        assert mine
    assert all(map(is_ended, mine))
    loader.close()


def test_a_dead_worker_is_an_error_and_no_hang(samples: list[Sample]) -> None:
    before = set(multiprocessing.active_children())
    with Loader(SETTINGS, batch_size=4, workers=2) as loader:
        batches = loader.batches(samples * 20, mode="train")
        next(batches)
        for process in set(multiprocessing.active_children()) - before:
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(PptsnError, match="a worker process died"):
            list(batches)


def test_workers_end_with_a_killed_parent(samples: list[Sample], tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from pptsn.training.data.dataset import ClipSettings\n"
        "from pptsn.runtime.classify.lists import Sample\n"
        "from pptsn.training.data.loader import Loader\n"
        "if __name__ == '__main__':\n"
        "    settings = ClipSettings(num_seg=2, short_side=32, crop_size=24)\n"
        "    loader = Loader(settings, batch_size=1, workers=1)\n"
        f"    batches = loader.batches([Sample({samples[0].path!r}, 0)] * 9, mode='train')\n"
        "    next(batches)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert workers
        parent.kill()
    wait_until(lambda: all(map(is_ended, workers)))


def test_settings_that_make_no_sense_are_refused(inline: Loader, samples: list[Sample]) -> None:
    with pytest.raises(UsageError, match="batch_size"):
        Loader(SETTINGS, batch_size=0, workers=0)
    with pytest.raises(UsageError, match="workers"):
        Loader(SETTINGS, batch_size=1, workers=-1)
    with pytest.raises(UsageError, match="train, val"):
        next(inline.batches(samples, mode="test"))


@pytest.mark.parametrize("draws", [None, 1, 2])
def test_so_many_drawings_of_a_clip_come_in_turn(tmp_path: Path, draws: int | None) -> None:
    clips = [Sample(str(counting_clip(tmp_path / f"{index}.mp4", frames=20)), index) for index in range(4)]
    epochs = []
    with Loader(dataclasses.replace(SETTINGS, draws=draws), batch_size=4, workers=0) as loader:
        for epoch in range(3):
            (batch,) = loader.batches(clips, mode="train", epoch=epoch)
            epochs.append(batch.crops[np.argsort(batch.indices)])
    assert np.array_equal(epochs[0], epochs[1]) == (draws == 1)
    assert np.array_equal(epochs[0], epochs[2]) == (draws is not None)
