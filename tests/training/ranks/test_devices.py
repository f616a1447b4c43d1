"""What --devices names, and what Paddle's launcher is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.devices import Devices, read_devices
from pptsn.training.ranks.logs import logs_in


@pytest.mark.parametrize(
    ("text", "devices", "count"),
    [
        ("0", Devices(cards=(0,)), 1),
        ("0,1", Devices(cards=(0, 1)), 2),
        (" 3, 1 ", Devices(cards=(3, 1)), 2),
        ("cpu:1", Devices(processors=1), 1),
        ("cpu:256", Devices(processors=256), 256),
    ],
)
def test_cards_or_processors_are_read(text: str, devices: Devices, count: int) -> None:
    assert read_devices(text) == devices
    assert devices.count == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cards by their numbers"),
        ("cpu", "cards by their numbers"),
        ("cuda:0", "cards by their numbers"),
        ("0,,1", "cards by their numbers"),
        ("-1", "cards by their numbers"),
        ("0,\N{SUPERSCRIPT TWO}", "cards by their numbers"),
        ("99999999999999999999", "cards by their numbers"),
        ("cpu:0", "an N of 1 to 256"),
        ("cpu:257", "an N of 1 to 256"),
        ("cpu:two", "an N of 1 to 256"),
        ("cpu:", "an N of 1 to 256"),
        ("1,0,1", "each card once"),
    ],
)
def test_what_names_neither_is_refused(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=f"--devices: is {text!r}, expected .*{expected}"):
        read_devices(text)


@pytest.mark.parametrize(
    ("visible", "named"), [({}, "2,0"), ({"CUDA_VISIBLE_DEVICES": "4,6,GPU-7"}, "GPU-7,4")], ids=["all", "some"]
)
def test_the_launcher_is_told_cards_by_their_names_outside(visible: dict[str, str], named: str) -> None:
    assert Devices(cards=(2, 0)).launcher_options(visible) == ["--gpus", named]
    assert Devices(cards=(2, 0)).launcher_environment(visible) == visible


def test_ranks_on_processors_see_no_card_and_nothing_of_an_outer_launcher() -> None:
    devices = Devices(processors=2)
    outer = {"HOME": "/home/me", "PADDLE_MASTER": "10.0.0.1:1", "MASTER_PORT": "1", "CUDA_VISIBLE_DEVICES": "0"}
    assert devices.launcher_options(outer) == ["--nproc_per_node", "2"]
    assert devices.launcher_environment(outer) == {
        "HOME": "/home/me",
        "PADDLE_DISTRI_BACKEND": "gloo",
        "CUDA_VISIBLE_DEVICES": "-1,-1",
    }


@pytest.mark.parametrize(
    ("devices", "device"),
    [(Devices(processors=2), "cuda"), (Devices(processors=2), "cuda:0"), (Devices(cards=(0,)), "cpu")],
)
def test_devices_that_contradict_the_recipe_are_refused(devices: Devices, device: str) -> None:
    with pytest.raises(UsageError, match=f"and the device is {device}; use device="):
        devices.require_there(device)
    Devices(processors=2).require_there("auto")


@pytest.mark.parametrize("there", ["", "output", "output/mine", "output/mine/run"])
def test_a_job_that_is_refused_leaves_no_folder(tmp_path: Path, there: str) -> None:
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError), logs_in(tmp_path / "output/mine/run"):
        Devices(cards=(0,)).require_there("cpu")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_card_that_is_not_there_is_a_missing_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
    Devices(cards=(0, 1)).require_there("auto")
    with pytest.raises(MissingDependencyError, match="device cuda:2: Paddle finds 2 GPUs"):
        Devices(cards=(0, 2)).require_there("cuda")
