"""Which clips the ranks of a job see in a step."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.training.data import loader
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.data.loader import Loader, batch_order
from pptsn.training.ranks.environment import Member
from pptsn.training.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = ClipSettings(num_seg=1, short_side=4, crop_size=4)
CARDS = 8


@pytest.fixture(autouse=True)
def _black_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips that need no files."""
    black = np.zeros((SETTINGS.num_seg, SETTINGS.crop_size, SETTINGS.crop_size, 3), np.uint8)
    monkeypatch.setattr(loader, "clip_crops", lambda sample, **options: black)


def batches_of(rank: int, samples: list[Sample], *, size: int, mode: str) -> Iterator[list[int]]:
    member = Member(rank, CARDS)
    with Loader(SETTINGS, batch_size=size, workers=0, seed=3, member=member) as loading:
        for batch in loading.batches(samples, mode=mode, epoch=1):
            yield batch.indices.tolist()


def test_the_published_recipe_makes_256_clips_a_step() -> None:
    options = load_recipe("kinetics400").optimizer
    assert options.batches_per_step(CARDS) == 1
    samples = [Sample(str(index), 0) for index in range(600)]
    by_rank = [list(batches_of(rank, samples, size=options.batch_size, mode="train")) for rank in range(CARDS)]
    order = batch_order(len(samples), mode="train", seed=3, epoch=1).tolist()
    for step in range(2):
        clips = list(itertools.chain.from_iterable(batches[step] for batches in by_rank))
        assert len(clips) == 256
        assert sorted(clips) == sorted(order[256 * step : 256 * (step + 1)])


def test_on_one_card_and_by_the_documented_command_for_eight_a_step_is_256_clips() -> None:
    found = re.search(r"--gpus (\S+) \S+ \S+ \S+ train (\w+)(.*)", (ROOT / "docs/training.md").read_text("utf-8"))
    assert found is not None
    cards, changes = len(found[1].split(",")), re.findall(r"--set (\S+)", found[3])
    for ranks, overrides in ((1, []), (cards, changes)):
        options = load_recipe(found[2], overrides).optimizer
        assert options.batch_size * options.batches_per_step(ranks) * ranks == 256


def test_a_validation_list_that_does_not_divide_is_seen_once_and_whole() -> None:
    samples = [Sample(str(index), 0) for index in range(37)]
    seen = [i for rank in range(CARDS) for clips in batches_of(rank, samples, size=4, mode="val") for i in clips]
    assert sorted(seen) == list(range(37))


def test_a_list_that_fills_no_step_of_all_ranks_is_refused() -> None:
    samples = [Sample(str(index), 0) for index in range(31)]
    with pytest.raises(UsageError, match="is 4 on each of 8 ranks, but the list has 31 clips"):
        next(batches_of(0, samples, size=4, mode="train"))
