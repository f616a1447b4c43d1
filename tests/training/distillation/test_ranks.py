"""Distillation by two ranks, which meet on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import DONE
from pptsn.training.metrics import read_metrics
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from tests.training.narrow import NARROWING
from tests.training.ranks.jobs import COMMAND, run_ranks
from tests.training.runs import make_lists, tiny_recipe

pytestmark = [pytest.mark.usefixtures("narrow"), pytest.mark.slow]


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), val=2)
    save_weights(state_of(PPTSN(18, 3)), folder / "teacher.pdparams")
    (folder / "recipe.yaml").write_text(tiny_recipe(folder, epochs=2, batch_size=2).to_yaml())
    return folder


def _train(lists: Path, output: Path, *changes: str) -> None:
    options = [word for change in changes for word in ("--set", change)]
    ends = run_ranks("train", lists / "recipe.yaml", "-o", output, *options, code=NARROWING + COMMAND)
    assert [code for code, _, _ in ends] == [DONE, DONE], ends


def test_soft_labels_of_two_ranks_are_kept_by_the_first_for_both(lists: Path, tmp_path: Path) -> None:
    changes = [f"distillation.teacher={lists / 'teacher.pdparams'}", "augmentation.draws=1"]
    _train(lists, tmp_path / "live", *changes)
    _train(lists, tmp_path / "kept", *changes, f"distillation.soft_labels={tmp_path / 'soft'}")
    with np.load(tmp_path / "soft" / "soft-labels-0000.npz") as stored:
        assert np.isfinite(stored["logits"]).all()  # the clips of both
    records = [[*read_metrics(tmp_path / name / "metrics.jsonl")] for name in ("live", "kept")]
    losses = [[record["soft_loss"] for record in each if record["kind"] == "iteration"] for each in records]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert len(losses[0]) == 4


def test_two_ranks_train_one_second_network(lists: Path, tmp_path: Path) -> None:
    _train(lists, tmp_path / "run", "distillation.mutual_depth=18", "optimizer.epochs=1")
    _train(lists, tmp_path / "again", "distillation.mutual_depth=18", "optimizer.epochs=1")
    paths = [tmp_path / name / "last" / "weights.peer.pdparams" for name in ("run", "again")]
    assert len({weights_digest(read_checkpoint(path).arrays) for path in paths}) == 1
