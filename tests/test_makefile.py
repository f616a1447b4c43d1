"""What the targets expand to, by `make -n`, which runs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VARIABLES = {
    "WEIGHTS",
    "CALIBRATION",
    "LABELLED",
    "PRECISION",
    "TARGET",
    "MODEL",
    "OUTPUT",
    "EXTRAS",
    "GATE",
    "LIMIT",
}
STEPS = ["export", *(f"convert {name}" for name in ("onnx", "fp16", "int8", "check", "engine")), "verify"]


def run_make(*arguments: str, folder: Path = ROOT, inherited: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the exit code and the output of make in `folder`, whatever the make that runs the tests was told."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES and "MAKE" not in name}
    environment = bare | (inherited or {})
    ended = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def set_up(folder: Path) -> Path:
    """Make `folder` look like a checkout that was set up already, and return where its programs are."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.ready-test"):
        (folder / name).touch()
    shutil.copy(ROOT / "Makefile", folder)
    return programs


def make(*arguments: str, folder: Path, inherited: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the exit code and the output of `make -n` in `folder`, as if it had been set up already."""
    set_up(folder)
    code, output = run_make("-n", "EXTRAS=test", *arguments, folder=folder, inherited=inherited)
    return code, output.replace(".venv/bin/", "")


def lines_of(output: str, command: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith(f"pptsn {command} ")]


def test_every_described_target_is_listed() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    described = [line.split(":")[0] for line in lines if "  ## " in line]
    listed = [line.split()[1] for line in run_make("help")[1].splitlines() if line.startswith("  make ")]
    assert listed == described
    assert {"setup", "int8", "engine", "test-gpu", "device-report"} <= set(listed)


def test_engine_in_int8_is_the_whole_chain_on_the_demo(tmp_path: Path) -> None:
    code, output = make("engine", "PRECISION=int8", folder=tmp_path)
    assert code == 0
    assert [lines_of(output, command) != [] for command in ("synthesize", "train")] == [True, True]
    places = [output.index(f"pptsn {command} ") for command in STEPS]
    assert places == sorted(places)
    targets = [line.partition("--target ")[2].split()[0] for line in lines_of(output, "convert int8")]
    assert targets == ["cpu", "tensorrt"]
    assert lines_of(output, "convert check") == ["pptsn convert check output/demo/model.int8.onnx"]
    assert "-o output/demo/model.int8.rtx.engine --builder tensorrt-rtx" in output
    assert "-o output/demo/model.int8.engine --builder tensorrt " in output
    names = ("export", "model.onnx", "model.fp16.onnx", "model.int8-cpu.onnx", "model.int8.onnx")
    assert f"pptsn verify {' '.join(f'output/demo/{name}' for name in names)} " in output
    assert "--labelled output/demo/data/test.txt --min-agreement 0.98 --max-drop 1" in output
    assert "--limit" not in output


def test_mine_is_lists_training_and_the_chain_of_its_own_weights(tmp_path: Path) -> None:
    code, output = make("mine", "CLIPS=clips/", "PRETRAINED=w.pdparams", "PRECISION=int8", folder=tmp_path)
    assert code == 0
    places = [output.index(f"pptsn {command} ") for command in ("data folder", "train", "report", *STEPS)]
    assert places == sorted(places)
    assert lines_of(output, "data folder") == ["pptsn data folder clips/ -o output/mine --weights w.pdparams "]
    assert lines_of(output, "report") == ["pptsn report output/mine/train -o output/mine/report"]
    assert "pptsn export --weights output/mine/train/best.pdparams --output output/mine/engine/export" in output
    assert "--labelled output/mine/test.txt --min-agreement 0.98 --max-drop 1 --spare-clips 1 " in output
    own = make("mine", "CLIPS=clips/", "GATE=--max-drop 7", folder=tmp_path)[1]
    assert "--labelled output/mine/test.txt --max-drop 7 " in own
    assert "CLIPS=clips/" in make("mine", folder=tmp_path)[1]


@pytest.mark.parametrize("folds", [False, True])
def test_mine_by_folds_is_proven_without_a_test_list(tmp_path: Path, folds: bool) -> None:
    flags = ["DATA_FLAGS=--group '^(.)' --folds 5"] if folds else []
    code, output = make("mine", "CLIPS=clips/", *flags, folder=tmp_path)
    assert code == 0
    (line,) = lines_of(output, "data folder")
    assert line.split()[4:] == ["-o", "output/mine", *("--group", "'^(.)'", "--folds", "5")[: 4 * folds]]
    assert ("output/mine/test.txt" in output) == (not folds)
    assert ("--labelled output/mine/train.txt --limit 200 --min-agreement" in output) == folds


@pytest.mark.parametrize("given", ["command line", "environment"])
def test_engine_of_other_weights_leaves_the_demo_alone(tmp_path: Path, given: str) -> None:
    weights = {"WEIGHTS": "my.pdparams", "CALIBRATION": "clips/"}
    words = [f"{name}={value}" for name, value in weights.items()] if given == "command line" else []
    code, output = make("engine", *words, folder=tmp_path, inherited={} if words else weights)
    assert code == 0
    assert "output/demo" not in output
    assert "convert int8" not in output
    assert lines_of(output, "export") == ["pptsn export --weights my.pdparams --output output/engine/export "]
    assert "-o output/engine/model.fp16.engine --builder tensorrt " in output
    assert "--clips clips/ --limit 200 --min-agreement 0.98" in output
    assert "--max-drop" not in output


def test_without_labelled_clips_the_proof_takes_some_of_the_calibration_s(tmp_path: Path) -> None:
    common = ["engine", "WEIGHTS=my.pdparams", "CALIBRATION=train.txt"]
    code, output = make(*common, folder=tmp_path)
    assert code == 0
    assert "--labelled train.txt --limit 200 --min-agreement 0.98 --max-drop 1" in output
    assert (
        output.count("--labelled train.txt") == output.count("--limit 200") == 2
    )  # the table, and how to prove RTX
    assert "--labelled train.txt --limit 50 " in make(*common, "LIMIT=50", folder=tmp_path)[1]
    _, output = make(*common, "LABELLED=test.txt", folder=tmp_path)
    assert "--labelled test.txt --min-agreement" in output
    assert "--limit" not in output
    assert "200 clips of CALIBRATION" in run_make("help")[1]


@pytest.mark.parametrize(
    ("builders", "code", "told"),
    [
        ({"tensorrt": 3, "tensorrt-rtx": 0}, 0, ["Not built: output/engine/model.engine", "Built, but not run"]),
        (
            {"tensorrt": 3, "tensorrt-rtx": 3},
            0,
            ["Not built: output/engine/model.engine", "model.rtx.engine, for"],
        ),
        ({"tensorrt": 0, "tensorrt-rtx": 3}, 0, ["run for the table: output/engine/model.engine"]),
        ({"tensorrt": 1, "tensorrt-rtx": 0}, 2, []),
        ({"tensorrt": 0, "tensorrt-rtx": 0, "verify": 1}, 2, []),
    ],
)
def test_engine_tells_what_was_not_built_and_why(
    tmp_path: Path, builders: dict[str, int], code: int, told: list[str]
) -> None:
    """With a program in place of pptsn that prints its arguments and ends with the code given for the builder."""
    cases = "".join(f'*"--builder {name} "*) exit {status};; ' for name, status in builders.items())
    program = set_up(tmp_path) / "pptsn"
    program.write_text(
        f'#!/bin/sh\necho "$@"\ncase "$@ " in verify*) exit {builders.get("verify", 0)};; {cases}esac\n'
    )
    program.chmod(0o755)
    chain = ["engine", "PRECISION=fp32", "WEIGHTS=w.pdparams", "CALIBRATION=clips/", "EXTRAS=test"]
    ended, output = run_make(*chain, folder=tmp_path)
    assert ended == code
    plan = " output/engine/model.engine" if builders["tensorrt"] == 0 else ""
    table = f"verify output/engine/export output/engine/model.onnx{plan} --clips clips/"
    assert (table in output) == (builders["tensorrt"] != 1)
    assert [text in output for text in told] == [True] * len(told)
    if 3 in builders.values():
        assert output.index(table) < output.rindex("convert engine") < output.rindex("\n")
    assert ("Made: " in output) == (code == 0)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["PRECISION=bf16"], "choose fp32, fp16 or int8"),
        (["WEIGHTS=my.pdparams"], "name real clips"),
        (["WEIGHTS=my.pdparams", "PRECISION=int8", "LABELLED=test.txt"], "INT8 needs CALIBRATION"),
    ],
)
def test_engine_says_what_it_needs(tmp_path: Path, arguments: list[str], cause: str) -> None:
    code, output = make("engine", *arguments, folder=tmp_path)
    assert code == 2
    assert cause in output


@pytest.mark.parametrize(
    ("target", "said"),
    [("classify", "SOURCE=clip.mp4"), ("stream", "SOURCE=0"), ("mine", "CLIPS=clips/"), ("int8", "CALIBRATION=")],
)
def test_what_is_missing_is_said_before_anything_is_installed(tmp_path: Path, target: str, said: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    code, output = run_make("-n", target, folder=tmp_path)
    assert code == 2
    assert said in output
    assert "pip" not in output


def test_int8_names_its_output_after_the_target(tmp_path: Path) -> None:
    for target, output in (("tensorrt", "m.int8.onnx"), ("cpu", "m.int8-cpu.onnx")):
        _, text = make("int8", "MODEL=m.onnx", "CALIBRATION=c", f"TARGET={target}", folder=tmp_path)
        expected = f"pptsn convert int8 m.onnx -o {output} --target {target} --calibration c"
        assert lines_of(text, "convert int8") == [expected]


@pytest.mark.parametrize("name", ["VENV", "OUTPUT", "CLIPS", "PRETRAINED", "WEIGHTS", "MODEL", "CALIBRATION"])
def test_a_path_with_a_blank_is_refused_before_anything_runs(tmp_path: Path, name: str) -> None:
    assert make("mine", "CLIPS=clips", f"{name}=with-a-ü", folder=tmp_path)[0] == 0
    code, output = make("mine", "CLIPS=clips", f"{name}=with a blank", folder=tmp_path)
    assert code == 2
    assert f"{name} is 'with a blank': make takes a path with a blank for several" in output
    assert "pptsn" not in output.replace("or call pptsn itself", "")
