import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import pytest

from pptsn.cli.program import main
from pptsn.convert.graph import conversion, from_paddle
from pptsn.convert.graph.classifier import Classifier, expose_features
from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.graph.files import load_model
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, UsageError, VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.model.file import ModelFile


@pytest.fixture(scope="module")
def converted(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("converted") / "m.onnx"
    convert_to_onnx(export, path)
    return path


@pytest.fixture(scope="module")
def network(export: Path) -> onnx.ModelProto:
    return from_paddle.network_from_export(export)


@pytest.fixture
def converts_at_once(network: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the child process, for tests of what comes after it."""
    monkeypatch.setattr(conversion, "network_from_export", lambda export: deepcopy(network))


@pytest.fixture
def copy(export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(export, tmp_path / "export"))


def test_the_file_gives_the_logits_of_paddle(export: Path, converted: Path) -> None:
    with np.load(export / "reference.npz") as stored:
        crops, expected = stored["crops"], (stored["logits"] + stored["mirrored_logits"]) / 2
        assert np.abs(stored["logits"] - stored["mirrored_logits"]).max() > 1e-2  # or mirroring proves nothing
    with open_engine(converted) as engine:
        assert engine.spec.mirror
        np.testing.assert_allclose(engine.infer(crops), expected, atol=1e-3)


def test_the_report_lies_beside_it(converted: Path) -> None:
    report = json.loads(converted.with_suffix(".report.json").read_text())
    assert report["passed"] is True
    assert report["max_abs"] <= report["tolerance"] == 1e-3


def test_batch_norm_is_folded_and_shapes_are_fixed(converted: Path) -> None:
    model, _ = load_model(converted)
    kinds = Counter(n.op_type for n in model.graph.node)
    assert kinds["Conv"] == 23
    assert not kinds.keys() & {"BatchNormalization", "Identity", "Constant", "Shape"}


@pytest.mark.usefixtures("converts_at_once")
def test_without_mirror_a_row_is_the_crop_alone(export: Path, tmp_path: Path) -> None:
    convert_to_onnx(export, tmp_path / "m.onnx", mirror=False)
    with open_engine(tmp_path / "m.onnx") as engine, np.load(export / "reference.npz") as stored:
        assert not engine.spec.mirror
        np.testing.assert_allclose(engine.infer(stored["crops"]), stored["logits"], atol=1e-3)


@pytest.mark.usefixtures("converts_at_once")
def test_the_file_says_of_streams_what_the_export_does(copy: Path, tmp_path: Path) -> None:
    said = {"stream_window_s": 2.5, "stream_segments": 5, "stream_views": "three"}
    spec = json.loads((copy / "spec.json").read_text())
    (copy / "spec.json").write_text(json.dumps(spec | said))
    convert_to_onnx(copy, tmp_path / "m.onnx")
    found = ModelFile.open(tmp_path / "m.onnx").spec
    assert {name: getattr(found, name) for name in said} == said


@pytest.mark.usefixtures("converts_at_once")
def test_a_file_that_disagrees_is_not_written(copy: Path, tmp_path: Path) -> None:
    stored = dict(np.load(copy / "reference.npz"))
    stored["logits"][0, 1] += 0.1
    np.savez(copy / "reference.npz", **stored)
    (tmp_path / "m.onnx").write_text("old")
    with pytest.raises(VerificationError, match=r"differ by up to (5\.0|4\.9)\de-02"):
        convert_to_onnx(copy, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export", "m.onnx"]


@pytest.mark.usefixtures("converts_at_once")
def test_a_file_whose_features_make_other_logits_is_not_written(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another_bias(network: onnx.ModelProto) -> Classifier | None:
        found = expose_features(network)
        return found and dataclasses.replace(found, bias=found.bias + np.float32([0, 0.5, 0]))

    monkeypatch.setattr(conversion, "expose_features", with_another_bias)
    expected = r"m\.onnx: against the classifier on its features, .* differ by up to (5\.0|4\.9)\de-01"
    with pytest.raises(VerificationError, match=expected):
        convert_to_onnx(export, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("converts_at_once")
def test_a_missing_reference_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "reference.npz").unlink()
    with pytest.raises(ModelError, match=r"reference\.npz"):
        convert_to_onnx(copy, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["spec.json", "model.json", "model.pdiparams"])
def test_an_incomplete_export_is_named(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        convert_to_onnx(copy, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["model.json", "model.pdiparams"])
@pytest.mark.slow
def test_a_crash_of_the_converter_is_an_error(copy: Path, tmp_path: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: len(whole) // 2])
    (copy / "digests.json").unlink()  # as of an older release: with it the damage is known beforehand
    with pytest.raises(ModelError, match="Paddle2ONNX"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["model.json", "model.pdiparams"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_an_altered_export_is_told_by_its_digest(copy: Path, tmp_path: Path, name: str, share: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(share * len(content))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{re.escape(name)}: is not what was exported: its SHA-256 .* again"):
        convert_to_onnx(copy, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"model.json": 1}', b"\xff", b"{}"])
def test_damaged_digests_are_told(copy: Path, tmp_path: Path, content: bytes) -> None:
    (copy / "digests.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"digests\.json"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


@pytest.mark.usefixtures("converts_at_once")
def test_an_export_of_an_older_release_has_no_digests(copy: Path, tmp_path: Path) -> None:
    (copy / "digests.json").unlink()
    convert_to_onnx(copy, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").exists()


def test_a_killed_converter_names_its_signal(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'terminate called' >&2\nkill -ABRT $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(from_paddle.sys, "executable", str(python))
    with pytest.raises(ModelError, match=r"model\.json: Paddle2ONNX was ended by SIGABRT: terminate called"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


def test_a_hanging_converter_is_ended(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(from_paddle.sys, "executable", str(python))
    monkeypatch.setattr(from_paddle, "_TIMEOUT_S", 0.2)
    with pytest.raises(ModelError, match=r"no result within 0\.2 s"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


def test_the_child_may_not_install_packages(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "error: autoinstall=$POLYGRAPHY_AUTOINSTALL_DEPS"\nexit 3\n')
    python.chmod(0o755)
    monkeypatch.setattr(from_paddle.sys, "executable", str(python))
    with pytest.raises(ModelError, match=r"failed with status 3: error: autoinstall=0"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


def test_a_missing_converter_names_the_command(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_paddle.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pptsn\[convert\]'"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


def test_without_the_extra_the_command_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("conversion", "deployment", "files", "simplify"):
        monkeypatch.delitem(sys.modules, f"pptsn.convert.graph.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(sys, "argv", ["pptsn", "convert", "onnx", str(tmp_path), "-o", str(tmp_path / "m.onnx")])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 3
    assert "pip install 'pptsn[convert]'" in capsys.readouterr().err


def test_a_package_without_a_spec_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle2onnx", type(sys)("paddle2onnx"))
    with pytest.raises(MissingDependencyError, match=r"^paddle2onnx: "):
        from_paddle.require_paddle2onnx()


def test_the_working_folder_cannot_replace_the_converter(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("convert.py", "onnx.py", "paddle2onnx.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    from_paddle.network_from_export(export)


def test_the_folder_of_the_child_hides_no_package(tmp_path: Path) -> None:
    (tmp_path / "paddle2onnx.py").write_text(
        "import sys\n\n\ndef export(model, parameters, output, **options):\n    print(*sys.path, sep='\\n')\n"
    )
    child = subprocess.run(
        [sys.executable, str(from_paddle._CHILD), "m", "p", "o", "19", str(os.getpid())],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) in child.stdout.splitlines()
    assert str(from_paddle._CHILD.parent) not in child.stdout.splitlines()


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "paddle2onnx.py").write_text(
        "import time\n\n\ndef export(*paths, **options):\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    child = [sys.executable, str(from_paddle._CHILD), *"mpo", "19"]
    command = f"import os, subprocess; subprocess.run([*{child}, str(os.getpid())])"
    with subprocess.Popen(
        [sys.executable, "-c", command], env={"PYTHONPATH": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        killed_s = time.monotonic()
        parent.kill()
        parent.stdout.read()  # to its end, which is the child's: it holds it as well
        assert time.monotonic() - killed_s < 30


@pytest.mark.parametrize("name", ["model.engine", ".", "", ".."])
def test_the_output_must_be_an_onnx_file(export: Path, name: str) -> None:
    with pytest.raises(
        UsageError, match=r"does not end in \.onnx; name it (model\.onnx|as in output/model\.onnx)$"
    ):
        convert_to_onnx(export, name)


@pytest.mark.usefixtures("converts_at_once")
def test_an_export_of_another_size_is_refused(copy: Path, tmp_path: Path) -> None:
    spec = json.loads((copy / "spec.json").read_text())
    (copy / "spec.json").write_text(json.dumps(spec | {"crop_size": 40}))
    with pytest.raises(ModelError, match="its spec expects"):
        convert_to_onnx(copy, tmp_path / "m.onnx")


def test_the_opset_is_the_one_documented(converted: Path) -> None:
    assert [o.version for o in onnx.load(converted).opset_import] == [from_paddle.OPSET]
