"""A backend that another package adds: one file, found by its entry point."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.plugins.conftest import Run, shown

BROKEN = (
    "plugin broken of broken-plugin: failed to load (RuntimeError: was made for another version); "
    "update or uninstall broken-plugin"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=10, width=64, height=48)


def scores(pptsn: Run, clip: Path, model: Path, folder: Path, *options: str) -> dict[str, float]:
    """Return the scores that `classify` writes."""
    out = folder / "out.jsonl"
    done = pptsn("classify", clip, "--model", model, "--top", "4", "--output", out, *options)
    assert done.returncode == 0, done.stderr
    return {each["label"]: each["score"] for each in json.loads(out.read_text())["top"]}


def test_a_plugins_backend_runs_a_model_with_its_options(
    pptsn: Run, clip: Path, tiny_model: Path, tmp_path: Path
) -> None:
    plain = scores(pptsn, clip, tiny_model, tmp_path, "--backend", "toy")
    still = scores(pptsn, clip, tiny_model, tmp_path, "--backend", "toy?gain=0")
    assert len(set(plain.values())) > 1
    assert set(still.values()) == {0.25}


@pytest.mark.slow
def test_auto_takes_it_for_its_own_files_alone(pptsn: Run, clip: Path, tiny_model: Path, tmp_path: Path) -> None:
    own = shutil.copy(tiny_model, tmp_path / "model.toy")
    toys = scores(pptsn, clip, tiny_model, tmp_path, "--backend", "toy")
    assert scores(pptsn, clip, own, tmp_path) == toys
    assert scores(pptsn, clip, tiny_model, tmp_path) != toys


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--backend", "toy", "--device", "cuda"), "--device: toy runs on no GPU; use --device cpu"),
        (("--backend", "toy?gain=x"), "--backend toy: gain=x is out of range; expected 0 to 100"),
        (("--backend", "toy?speed=1"), "--backend toy: unknown option 'speed'; expected one of gain"),
        (
            ("--backend", "top"),
            "--backend: unknown backend 'top'; choose one of auto, onnxruntime, onnxruntime-tensorrt, "
            "onnxruntime-tensorrt-rtx, openvino, tensorrt, tensorrt-rtx, toy",
        ),
    ],
)
def test_its_errors_are_told_as_ours_are(
    pptsn: Run, clip: Path, tiny_model: Path, options: tuple[str, ...], error: str
) -> None:
    done = pptsn("classify", clip, "--model", tiny_model, *options)
    assert (done.returncode, done.stderr) == (2, f"pptsn: error: {error}\n")


@pytest.mark.parametrize("command", [("classify",), ("bench", "scenario")])
def test_help_names_it(pptsn: Run, command: tuple[str, ...]) -> None:
    page = shown(pptsn(*command, "--help").stdout)
    assert "toy (models by a toy; ?gain: what logits are multiplied by)" in page


def test_the_doctor_tries_it_and_lists_what_it_needs(pptsn: Run) -> None:
    found = json.loads(pptsn("doctor", "--json").stdout)
    assert {"name": "toy", "device": "cpu", "works": True, "problem": None} in found["engines"]
    (bricks,) = [package for package in found["packages"] if package["name"] == "toy-bricks"]
    assert bricks == {
        "name": "toy-bricks",
        "version": None,
        "purpose": "playing",
        "install": "pip install toy-bricks",
    }


def test_the_doctor_knows_every_kind_that_the_package_adds(pptsn: Run) -> None:
    added = [{"adds": sort, "name": "toy", "package": "toy-plugin"} for sort in ("backend", "source", "sink")]
    assert json.loads(pptsn("doctor", "--json").stdout)["plugins"] == added
    line = "Plugins: backend toy (toy-plugin), source toy (toy-plugin), sink toy (toy-plugin)"
    assert line in pptsn("doctor").stdout.splitlines()


def test_what_we_say_of_a_package_stands_where_a_plugin_needs_it_too(pptsn: Run, lazy: Path) -> None:
    found = json.loads(pptsn("doctor", "--json", also=lazy).stdout)
    assert {"adds": "backend", "name": "lazy", "package": "lazy-plugin"} in found["plugins"]
    (numpy,) = [package for package in found["packages"] if package["name"] == "numpy"]
    assert (numpy["purpose"], numpy["install"]) == ("everything", "pip install pptsn")
    (onnxruntime,) = [package for package in found["packages"] if package["name"] == "onnxruntime"]
    assert onnxruntime["install"] == "pip install 'pptsn[cpu]'"


def test_a_plugin_that_fails_to_import_is_one_line_of_the_doctor(pptsn: Run, broken: Path) -> None:
    done = pptsn("doctor", "--json", also=broken)
    assert done.returncode == 0
    assert json.loads(done.stdout)["notes"].count(BROKEN) == 1  # though it is broken in three groups
    assert pptsn("doctor", also=broken).stdout.count(BROKEN) == 1


def test_a_plugin_that_fails_to_import_hurts_only_who_names_it(
    pptsn: Run, broken: Path, clip: Path, tiny_model: Path, tmp_path: Path
) -> None:
    named = pptsn("classify", clip, "--model", tiny_model, "--backend", "broken", also=broken)
    assert (named.returncode, named.stderr) == (3, f"pptsn: error: {BROKEN}\n")
    other = pptsn("--quiet", "classify", clip, "--model", tiny_model, "--backend", "toy", also=broken)
    assert (other.returncode, other.stderr) == (0, "")


def test_a_plugin_that_misses_its_library_when_it_is_used_is_one_line(
    pptsn: Run, lazy: Path, clip: Path, tiny_model: Path
) -> None:
    done = pptsn("classify", clip, "--model", tiny_model, "--backend", "lazy", also=lazy)
    assert (done.returncode, done.stderr) == (
        3,
        "pptsn: error: plugin lazy of lazy-plugin: failed to open the model (ModuleNotFoundError: No module named "
        "'no_such_library'); update or uninstall lazy-plugin\n",
    )
