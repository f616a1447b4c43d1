"""Model files proven on a GPU by the references that they carry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pptsn.convert.engine.conversion import convert_to_engine
from pptsn.convert.engine.options import BuildOptions
from pptsn.convert.verify.alone import prove_file
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.tensorrt.api import import_tensorrt
from pptsn.runtime.engines.tensorrt.cuda import open_cuda
from tests.convert.proven_models import write_proven
from tools.proofs import BREAKINGS, write_broken

pytestmark = pytest.mark.gpu

Needs = Callable[[Callable[[], object]], None]
PRECISIONS = ("fp32", "fp16", "int8-tensorrt")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_plan_is_proven_when_it_is_built(needs: Needs, tmp_path: Path, precision: str) -> None:
    needs(lambda: open_cuda(0))
    needs(lambda: import_tensorrt("tensorrt"))
    report = convert_to_engine(
        write_proven(tmp_path, precision), tmp_path / "p.engine", BuildOptions(batch=(1, 4, 8))
    )
    assert report.unproven == ""
    assert len(report.manifest.proofs) == 1
    with open_engine(tmp_path / "p.engine") as engine:
        assert not any("never proven" in note for note in engine.notes)


@pytest.mark.parametrize("breaking", BREAKINGS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnxruntime_on_the_gpu_proves_right_files_and_no_others(
    needs: Needs, tmp_path: Path, precision: str, breaking: str
) -> None:
    model = write_proven(tmp_path, precision)
    needs(lambda: open_engine(model, device="cuda").close())
    assert prove_file(model, Runs(device="cuda")).passed
    broken = write_broken(model, BREAKINGS[breaking], tmp_path / "broken.onnx")
    assert not prove_file(broken, Runs(device="cuda")).passed
