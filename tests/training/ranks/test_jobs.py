"""Training and evaluation by real ranks, which meet on this machine."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import DONE, FAILED, LOST, UNFINISHED, USAGE
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.checkpoint.run_folder import WEIGHTS_NAME
from pptsn.training.evaluation import evaluate
from pptsn.training.metrics import read_metrics
from pptsn.training.network.weights import read_checkpoint, save_weights, weights_digest
from pptsn.training.recipe import load_recipe
from tests.servers import free_port
from tests.training.checkpoints import network_state
from tests.training.narrow import NARROWING
from tests.training.ranks.jobs import (
    COMMAND,
    ROOT,
    ended,
    environment_of,
    errors_of,
    run_ranks,
    started,
)
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")

NARROWED = NARROWING + COMMAND
# Batch norm by its running statistics, so that a step does not depend on how its clips are shared out.
FIXED_STATISTICS = f"""
from pptsn.training.learning import trainee
from pptsn.training.network._paddle import nn
build = trainee.build_network
def build_fixed(*arguments, **options):
    model = build(*arguments, **options)
    for layer in model.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            layer._use_global_stats = True
    return model
trainee.build_network = build_fixed
{NARROWED}
"""
# By Ctrl-C, which reaches all ranks, as the second epoch begins.
INTERRUPTED = f"""
from pptsn.training import trainer
run_epoch = trainer.Trainer._run_epoch
def interrupted(self, *arguments):
    if self.epoch == 1:
        raise KeyboardInterrupt
    run_epoch(self, *arguments)
trainer.Trainer._run_epoch = interrupted
{NARROWED}
"""
PLAIN = ("--set", "augmentation.mixup_alpha=0", "--set", "model.drop_ratio=0")
# As without batch norm, at a rate that an untrained network of such depth bears.
STEADY = (*PLAIN, "--set", "optimizer.base_rate=1.0e-5", "--set", "optimizer.warmup_rate=1.0e-5")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), train=17, val=5)
    (folder / "recipe.yaml").write_text(tiny_recipe(folder).to_yaml())
    return folder


def train_by(
    count: int, lists: Path, output: Path, *options: str, code: str = NARROWED
) -> list[tuple[int, str, str]]:
    """Train with four clips a step, whatever the number of ranks."""
    size = f"optimizer.batch_size={4 // count}"
    return run_ranks("train", lists / "recipe.yaml", "-o", output, "--set", size, *options, count=count, code=code)


def losses_of(run: Path) -> list[float]:
    return [record["loss"] for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "iteration"]


def digest_of(run: Path) -> str:
    return weights_digest(read_checkpoint(run / "last.pdparams").arrays)


@pytest.mark.slow
def test_two_ranks_write_one_run_and_evaluate_as_one(lists: Path, tmp_path: Path) -> None:
    endings = train_by(2, lists, tmp_path / "run", "--set", "optimizer.epochs=1")
    assert [code for code, _, _ in endings] == [DONE, DONE], endings
    assert "trained 1 epoch;" in endings[0][1]
    assert endings[1][1] == ""
    assert endings[1][2].splitlines() == ["rank 1 of 2: joined the others, on cpu"]
    assert len(losses_of(tmp_path / "run")) == 17 // 4
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("*/state.json")).read_text())
    assert state["ranks"] == 2
    weights = tmp_path / "run" / "last.pdparams"
    command = ("evaluate", lists / "recipe.yaml", "--weights", weights, "--json")
    (code, out, errors), (other, nothing, _) = run_ranks(*command, code=NARROWED)
    assert (code, other, nothing) == (DONE, DONE, ""), errors
    alone = evaluate(load_recipe(lists / "recipe.yaml"), weights)
    assert json.loads(out) == {"weights": str(weights), **alone.to_dict()}
    assert alone.clips == 5


def _launch(*arguments: object, options: tuple[str, ...], log: Path, code: str = NARROWED) -> list[str]:
    script = log.with_name("start.py")
    script.write_text(code)
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--log_dir", str(log), *options]
    return [*launcher, str(script), *map(str, arguments)]


def _plain_environment() -> dict[str, str]:
    environment = environment_of(0, 1, 1)
    return {name: value for name, value in environment.items() if not name.startswith("PADDLE_")}


def _train_by_nodes(lists: Path, folder: Path, *options: str) -> None:
    """Train by two machines of one rank each, which both are this one."""
    nodes = ("--nnodes", "2", "--nproc_per_node", "1", "--master", f"127.0.0.1:{free_port()}")
    arguments = ("train", lists / "recipe.yaml", "-o", folder / "run", "--set", "optimizer.batch_size=2", *options)
    commands = []
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        commands.append(_launch(*arguments, options=nodes, log=folder / name / "log", code=FIXED_STATISTICS))
    with started(commands, [_plain_environment()] * 2) as processes:
        assert [code for code, _, _ in ended(processes)] == [DONE, DONE]


@pytest.mark.slow
def test_ranks_and_nodes_have_the_losses_of_one_rank_at_the_same_clips_a_step(lists: Path, tmp_path: Path) -> None:
    options = (*STEADY, "--set", "optimizer.epochs=5")
    in_parts = ("--set", "optimizer.batch_size=1", "--set", "optimizer.accumulate=2")
    runs = {}
    for name, count, more in (("1", 1, ()), ("2", 2, ()), ("2 in parts", 2, in_parts)):
        endings = train_by(count, lists, tmp_path / name, *options, *more, code=FIXED_STATISTICS)
        assert [code for code, _, _ in endings] == [DONE] * count, endings
        runs[name] = losses_of(tmp_path / name)
    _train_by_nodes(lists, tmp_path / "nodes", *options)
    assert len(runs["1"]) == len(set(runs["1"])) == 20
    assert runs["2"] == pytest.approx(runs["1"], abs=1e-4)
    assert runs["2 in parts"] == pytest.approx(runs["1"], abs=1e-4)
    assert losses_of(tmp_path / "nodes" / "run") == runs["2"]


@pytest.mark.slow
def test_of_three_ranks_an_odd_list_has_the_figures_of_one(lists: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pdparams"
    save_weights(network_state(classes=3), weights)
    command = ("evaluate", lists / "recipe.yaml", "--weights", weights, "--json")
    (_, alone, errors), *_ = run_ranks(*command, count=1, code=NARROWED)
    (_, out, _), *others = run_ranks(*command, count=3, code=NARROWED)
    assert json.loads(alone)["clips"] == 5, errors
    assert out == alone
    assert [(code, said) for code, said, _ in others] == [(DONE, "")] * 2


@pytest.mark.slow
def test_by_paddles_launcher_two_ranks_train_and_evaluate_as_documented(lists: Path, tmp_path: Path) -> None:
    """The very lines of the documentation, in a folder with such a recipe; `pptsn` is what starts it here."""
    python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"'
    programs = {"pptsn": f"#!/usr/bin/env python\n{NARROWED}", "python": python}
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    recipe = load_recipe(lists / "recipe.yaml", ["optimizer.epochs=1"])
    (tmp_path / "my.yaml").write_text(recipe.to_yaml())
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    training, evaluation = re.findall(r"^python -m paddle\.distributed\.launch --nproc_per_node .*$", page, re.M)
    environment = _plain_environment()
    # Not by its whole path, for which the lines would need quotes where it has blanks.
    environment["PATH"] = f"bin{os.pathsep}{environment['PATH']}"
    for line, said in ((training, "trained 1 epoch;"), (evaluation, "top-1")):
        with started([["bash", "-c", f"cd {shlex.quote(str(tmp_path))} && {line}"]], [environment]) as processes:
            ((code, out, errors),) = ended(processes)
        assert code == DONE, errors
        assert said in out
        assert "rank 1 of 2" in (tmp_path / "log" / "workerlog.1").read_text()


@pytest.mark.slow
def test_another_number_of_ranks_goes_on_only_where_it_is_allowed(lists: Path, tmp_path: Path) -> None:
    whole = train_by(2, lists, tmp_path / "whole", "--set", "optimizer.epochs=2")
    assert [code for code, _, _ in whole] == [DONE, DONE]
    one = ("--set", "optimizer.epochs=1")
    assert train_by(2, lists, tmp_path / "run", *one)[0][0] == DONE
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 1\n", "epochs: 2\n", 1))  # as if it was stopped there
    alone = (lists / "recipe.yaml", "-o", tmp_path / "run", "--resume", "--set", "optimizer.epochs=2")
    ((code, _, errors),) = run_ranks("train", *alone, "--set", "optimizer.batch_size=2", count=1, code=NARROWED)
    assert code == USAGE
    assert "was trained by 2 ranks, and is to go on by 1; start as many" in errors


def test_a_rank_that_fails_ends_the_job_with_one_line_from_rank_0(lists: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text((lists / "recipe.yaml").read_text().replace("base_rate: 0.01", "base_rate: 0.02"))
    port = free_port()
    commands = [
        [sys.executable, "-c", NARROWED, "train", str(recipe), "-o", str(tmp_path / "run")]
        for recipe in (lists / "recipe.yaml", changed)
    ]
    with started(commands, [environment_of(rank, 2, port) for rank in range(2)]) as processes:
        (first, _, errors), (second, _, others) = ended(processes)
    assert (first, second) == (USAGE, USAGE)
    (line,) = errors_of(errors)
    assert "rank 1: was started with another recipe than rank 0: optimizer.base_rate (0.01 → 0.02)" in line
    assert errors_of(others) == []
    assert not (tmp_path / "run").exists()


def test_a_port_in_use_is_one_line(lists: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [
            sys.executable,
            "-c",
            NARROWED,
            "train",
            str(lists / "recipe.yaml"),
            "-o",
            str(tmp_path / "run"),
        ]
        with started([command], [environment_of(0, 2, taken.getsockname()[1])]) as processes:
            ((code, _, errors),) = ended(processes)
    assert code == FAILED
    (line,) = errors_of(errors)
    assert "rank 0 cannot listen there (Address already in use)" in line
    assert not (tmp_path / "run").exists()


def test_a_master_out_of_reach_is_one_line(lists: Path, tmp_path: Path) -> None:
    code = f"from pptsn.training.ranks import joining; joining.MEETING_S = 1.0\n{NARROWED}"
    command = [sys.executable, "-c", code, "train", str(lists / "recipe.yaml"), "-o", str(tmp_path / "run")]
    with started([command], [environment_of(1, 2, free_port())]) as processes:
        ((ending, _, errors),) = ended(processes)
    assert ending == FAILED
    (line,) = errors_of(errors)
    assert "rank 1 cannot reach it (Connection refused) within 1 s" in line
    assert not (tmp_path / "run").exists()


def _wait_for_an_epoch(run: Path, processes: list) -> None:
    until = time.monotonic() + 120
    while not (run / "last").is_symlink():
        assert time.monotonic() < until
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


@pytest.mark.parametrize("ending", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_job_that_is_stopped_or_loses_a_rank_ends_and_goes_on(
    lists: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    run, port = tmp_path / "run", free_port()
    arguments = ["train", str(lists / "recipe.yaml"), "-o", str(run), "--set", "optimizer.epochs=500"]
    command = [sys.executable, "-c", NARROWED, *arguments]
    with started([command] * 2, [environment_of(rank, 2, port) for rank in range(2)]) as processes:
        _wait_for_an_epoch(run, processes)
        if ending == signal.SIGKILL:
            processes[1].kill()
        else:
            for _ in range(3):  # as Paddle's launcher does
                for process in processes:
                    process.send_signal(ending)
                time.sleep(0.05)
        (first, _, errors), (second, _, others) = ended(processes)
    if ending == signal.SIGKILL:
        assert (first, second) == (LOST, -signal.SIGKILL)
        (line,) = errors_of(errors)
        assert "lost the connection to another rank" in line
    else:
        assert (first, second) == (UNFINISHED, UNFINISHED), (errors, others)
        assert "--resume" in errors
    assert "Traceback" not in errors + others
    for folder in (run / "checkpoints").glob("epoch-*"):
        read_checkpoint(folder / WEIGHTS_NAME)


@pytest.mark.slow
def test_killed_at_random_moments_a_job_of_two_ranks_ends_with_the_same_weights(
    lists: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    options = ("--set", "optimizer.epochs=3")
    train_by(2, lists, tmp_path / "whole", *options)
    run = tmp_path / "run"
    command = [sys.executable, "-c", NARROWED, "train", str(lists / "recipe.yaml"), "-o", str(run), "--resume"]
    command += ["--set", "optimizer.batch_size=2", *options]
    for turn in range(4):
        port = free_port()
        with started([command] * 2, [environment_of(rank, 2, port) for rank in range(2)]) as processes:
            time.sleep(chance.uniform(2, 8))
            victims = processes if turn % 2 else [processes[chance.randrange(2)]]
            for process in victims:
                process.send_signal(signal.SIGTERM if turn % 2 else signal.SIGKILL)
            ended(processes)
        for folder in run.glob("checkpoints/epoch-*"):
            read_checkpoint(folder / WEIGHTS_NAME)
    endings = train_by(2, lists, run, "--resume", *options)
    assert [code for code, _, _ in endings] == [DONE, DONE], endings
    assert digest_of(run) == digest_of(tmp_path / "whole")


@pytest.mark.slow
def test_with_averages_and_counted_statistics_a_job_of_two_ranks_goes_on_to_the_bit(
    lists: Path, tmp_path: Path
) -> None:
    keys = ("optimizer.epochs=2", "optimizer.ema_decay=0.8", "model.precise_batch_norm=5", "optimizer.patience=9")
    options, run = [part for key in keys for part in ("--set", key)], tmp_path / "run"
    assert train_by(2, lists, tmp_path / "whole", *options)[0][0] == DONE
    assert train_by(2, lists, run, *options, code=INTERRUPTED)[0][0] != DONE
    assert train_by(2, lists, run, "--resume", *options)[0][0] == DONE
    for file in ("weights.pdparams", "weights.unaveraged.pdparams"):
        ended, expected = (read_pickle(folder / "last" / file) for folder in (run, tmp_path / "whole"))
        assert weights_digest(ended) == weights_digest(expected)
