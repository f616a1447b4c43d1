"""`pptsn convert check` and `pptsn convert engine` as their users meet them."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from pptsn.cli.convert.engine import engine
from pptsn.convert.checks import find_faults
from pptsn.convert.engine.conversion import EngineReport
from pptsn.convert.engine.options import DEFAULT_BATCH, BuildOptions, parse_batch
from pptsn.convert.graph.files import write_model
from pptsn.runtime.model.manifest import read_manifest
from tests.convert.checks.broken_models import good
from tests.convert.engine.models import write_variant
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tests.rtx import require_rtx


@pytest.fixture
def convert(run):
    """Return a function that runs `pptsn convert ...` in this process."""
    return partial(run, "convert")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def test_a_good_model_gives_one_clean_line(convert, model: Path) -> None:
    assert convert("check", model) == (0, f"{model}: nothing found that TensorRT would refuse\n", "")


def test_every_fault_is_one_line_and_the_code_is_1(convert, tmp_path: Path) -> None:
    model = good("int8")
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.name.endswith(
            ("planes/q", "planes/dq")
        ):
            del node.input[2]
    count = len(find_faults(model))
    write_model(model, tiny_spec(mirror=True, precision="int8"), tmp_path / "cpu.onnx")
    ending = convert("check", tmp_path / "cpu.onnx")
    assert ending.code == 1
    lines = ending.out.splitlines()
    assert len(lines) == count
    assert lines[0].startswith("refused: network/planes/q: quantizes to UINT8")
    assert lines[0].endswith("quantize again by: pptsn convert int8 --target tensorrt")
    assert (
        ending.err == f"{tmp_path / 'cpu.onnx'}: TensorRT would refuse it for {count} fault{'s' * (count > 1)}\n"
    )


def test_of_many_findings_of_a_kind_the_first_are_shown(convert, tmp_path: Path) -> None:
    model = good("fp32")
    model.graph.node.extend(
        helper.make_node("BitShift", ["b", "b"], [f"s{number}"], f"shift{number}", direction="LEFT")
        for number in range(8)
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.uint8), "b"))
    write_model(model, tiny_spec(mirror=True), tmp_path / "m.onnx")
    short = convert("check", tmp_path / "m.onnx").out.splitlines()
    assert "... and 3 more of this kind: --all shows them" in short
    whole = convert("check", tmp_path / "m.onnx", "--all").out
    assert all(f"shift{number}: operator BitShift" in whole for number in range(8))
    assert "more of this kind" not in whole


def test_a_damaged_file_is_one_line(convert, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-3])
    ending = convert("check", model)
    assert ending.code == 1
    assert ending.err.startswith(f"pptsn: error: {model}: ")
    assert ending.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "extra"), [(["check"], "convert"), (["engine", "-o", "m.engine"], "tensorrt")]
)
def test_without_onnx_the_command_names_the_extra(
    convert, model: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    command, *others = options
    ending = convert(command, model, *others)
    assert ending.code == 3
    assert f"pip install 'pptsn[{extra}]'" in ending.err


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--batch", "9,8,7"], "--batch: expected 1 <= MIN <= OPT <= MAX, got 9,8,7"),
        (["--batch", "many"], "--batch: expected three numbers"),
        (["--builder", "openvino"], "choose one of tensorrt, tensorrt-rtx"),
        (["--precision", "fp16"], "precision belongs in the ONNX file"),
        (["--fp16"], "no such option: --fp16"),
        (["--workspace-mb", "0"], "--workspace-mb"),
        (["--optimization-level", "6"], "--optimization-level"),
        (["--compute-capability", "sm86"], "--compute-capability"),
        (["--version-compatible"], "--version-compatible"),
    ],
)
def test_wrong_usage_is_code_2_and_names_the_option(
    convert, model: Path, tmp_path: Path, options: list[str], cause: str
) -> None:
    ending = convert("engine", model, "-o", tmp_path / "m.engine", "--builder", "tensorrt-rtx", *options)
    assert ending.code == 2
    assert cause in " ".join(ending.err.replace("│", " ").split())
    assert not (tmp_path / "m.engine").exists()


def test_a_missing_tensorrt_is_code_3_and_one_line(
    convert, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    ending = convert("engine", model, "-o", tmp_path / "m.engine")
    assert ending.code == 3
    assert ending.err.startswith("pptsn: error: tensorrt: ")
    assert ending.err.count("\n") == 1


def test_the_default_batch_is_the_documented_one() -> None:
    assert (
        parse_batch(inspect.signature(engine).parameters["batch"].default) == BuildOptions().batch == DEFAULT_BATCH
    )


def test_the_help_says_what_the_largest_batch_costs(convert) -> None:
    shown = " ".join(convert("engine", "--help").out.replace("│", " ").split())
    assert "kernels are tuned for OPT" in shown
    assert "reserved for MAX" in shown


def test_what_went_wrong_beside_the_plan_is_a_note(
    convert, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.convert.engine import conversion

    require_rtx()
    real = conversion.convert_to_engine

    def noting(*arguments: Any, **options: Any) -> EngineReport:
        return dataclasses.replace(real(*arguments, **options), notes=("[its cache] was not kept",))

    monkeypatch.setattr(conversion, "convert_to_engine", noting)
    ending = convert("engine", model, "-o", tmp_path / "m.engine", "--builder", "tensorrt-rtx", "--batch", "1,4,4")
    assert ending.code == 0
    assert ending.err.splitlines()[-1] == "pptsn: note: [its cache] was not kept"


def test_it_builds_and_says_what_was_built(convert, tmp_path: Path) -> None:
    require_rtx()
    model = write_variant(tiny_network(), tiny_spec(), "int8", tmp_path / "m.onnx")
    plan = tmp_path / "m.engine"
    arguments = ["engine", model, "-o", plan, "--builder", "tensorrt-rtx", "--batch", "1,4,8"]
    arguments += ["--compute-capability", "8.6,8.9", "--rebuild-if-needed"]
    built = convert(*arguments)
    assert built.code == 0
    assert built.out.startswith("built because: there is none yet\n")
    assert f"wrote {plan} (" in built.out
    assert "int8, 1 to 8 crops a call (best 4), by tensorrt-rtx" in built.out
    assert "for compute capability 8.6, 8.9\n" in built.out
    assert built.out.endswith("of 1 convolutions the build's log shows 1 in INT8\n")
    assert read_manifest(plan).profile == (1, 4, 8)
    kept = convert(*arguments)
    assert kept.code == 0
    assert kept.out.startswith(f"{plan} is up to date: int8, ")


def test_a_build_without_need_is_repeated(convert, model: Path, tmp_path: Path) -> None:
    require_rtx()
    arguments = ["engine", model, "-o", tmp_path / "m.engine", "--builder", "tensorrt-rtx"]
    for _ in range(2):
        assert convert(*arguments).out.startswith("wrote ")
