"""Real parses and builds by TensorRT-RTX, which needs no GPU for them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from pptsn.convert.engine import build as engine_build
from pptsn.convert.engine import conversion
from pptsn.convert.engine.build import build_plan
from pptsn.convert.engine.conversion import convert_to_engine
from pptsn.convert.engine.options import BuildOptions
from pptsn.convert.engine.progress import BuildMonitor, make_monitor
from pptsn.convert.engine.target import RTX_DEFAULT, Target
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import InputError, MissingDependencyError, ModelError, UsageError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.base.progress import progress_bar
from pptsn.runtime.engines.tensorrt.api import import_tensorrt
from pptsn.runtime.model.manifest import manifest_path, read_manifest
from pptsn.runtime.model.spec import ModelSpec
from tests.convert.checks.broken_models import good, node_of
from tests.convert.engine.models import VARIANTS, residual_int8, write_variant
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tests.rtx import require_rtx
from tests.runtime.model.hashing import HashedBytes

require_rtx()

RTX = BuildOptions(builder="tensorrt-rtx", batch=(1, 4, 8))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


@pytest.fixture
def library() -> Any:
    return import_tensorrt("tensorrt-rtx")


@pytest.fixture(scope="module")
def resnet(export: Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """The per-view network of depth 18, and its spec."""
    from pptsn.convert.graph.from_paddle import network_from_export
    from pptsn.convert.graph.simplify import simplify
    from pptsn.runtime.model.export_folder import read_export_spec

    network = network_from_export(export)
    simplify(network)
    return network, read_export_spec(export)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_precision_builds_with_a_dynamic_batch(variant: str, tmp_path: Path) -> None:
    model = write_variant(tiny_network(), tiny_spec(), variant, tmp_path / "m.onnx")
    report = convert_to_engine(model, tmp_path / "m.engine", RTX)
    precision = variant.split("+")[0]
    assert report.built
    assert report.manifest.precision == precision
    assert report.convolutions == 1
    assert list((report.precisions or {}).values()) == [precision]


@pytest.mark.slow
def test_our_own_quantization_of_a_real_network_builds_all_its_convolutions_in_int8(
    resnet: tuple[onnx.ModelProto, ModelSpec], tmp_path: Path
) -> None:
    network, spec = resnet
    graph, spec = compose_deployment(
        residual_int8(network), dataclasses.replace(spec, precision="int8"), mirror=True
    )
    write_model(graph, spec, tmp_path / "m.onnx")
    report = convert_to_engine(tmp_path / "m.onnx", tmp_path / "m.engine", RTX)
    assert report.convolutions == 23
    assert Counter((report.precisions or {}).values()) == {"int8": 23}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_convolution_of_a_real_network_has_the_precision_of_its_file(
    variant: str, resnet: tuple[onnx.ModelProto, ModelSpec], tmp_path: Path
) -> None:
    model = write_variant(*resnet, variant, tmp_path / "m.onnx")
    report = convert_to_engine(model, tmp_path / "m.engine", BuildOptions(builder="tensorrt-rtx"))
    assert report.convolutions == 23
    assert Counter((report.precisions or {}).values()) == {variant.split("+")[0]: 23}


def test_a_model_and_its_plan_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_variant(tiny_network(), tiny_spec(), "fp32", tmp_path / "m.onnx")
    plan = tmp_path / "m.engine"
    hashed = HashedBytes(monkeypatch)
    convert_to_engine(model, plan, RTX)
    sizes = model.stat().st_size + plan.stat().st_size
    manifests = 2 * manifest_path(plan).stat().st_size
    assert sizes - 200 <= hashed.count <= sizes + manifests
    assert manifests < model.stat().st_size / 5
    hashed.count = 0
    assert not convert_to_engine(model, plan, RTX, rebuild_if_needed=True).built
    assert hashed.count <= sizes + 2 * manifests  # of a plan that is kept, its manifest is read twice


def test_the_manifest_tells_what_was_built(tmp_path: Path, library: Any) -> None:
    model = write_variant(tiny_network(), tiny_spec(), "int8", tmp_path / "m.int8.onnx")
    plan = tmp_path / "new" / "m.int8.engine"
    report = convert_to_engine(model, plan, dataclasses.replace(RTX, workspace_mb=64, optimization_level=1))
    manifest = read_manifest(plan)
    assert manifest == report.manifest
    assert manifest.plan_sha256 == sha256_of(plan)
    assert (manifest.onnx_name, manifest.onnx_sha256) == ("../m.int8.onnx", sha256_of(model))
    assert (manifest.builder, manifest.builder_version) == ("tensorrt-rtx", library.version_text)
    assert (manifest.profile, manifest.workspace_mb, manifest.optimization_level) == ((1, 4, 8), 64, 1)
    assert (manifest.compute_capabilities, manifest.hardware_compatible) == (RTX_DEFAULT, True)
    assert manifest.spec == tiny_spec(mirror=True, precision="int8")
    assert manifest.calibration_digest == "c" * 64
    assert files(plan.parent) == ["m.int8.engine", "m.int8.engine.json"]


def test_gpus_may_be_chosen(model: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(RTX, compute_capabilities=("7.5", "12.0"))
    manifest = convert_to_engine(model, tmp_path / "m.engine", options).manifest
    assert (manifest.compute_capabilities, manifest.hardware_compatible) == (("7.5", "12.0"), False)
    options = dataclasses.replace(RTX, compute_capabilities=("9.0",))
    with pytest.raises(UsageError, match=r"9\.0 is none that this builder knows; it knows 7\.5, .*12\.1"):
        convert_to_engine(model, tmp_path / "m.engine", options)


def test_a_plan_that_is_up_to_date_is_kept(model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "m.engine"
    assert convert_to_engine(model, plan, RTX, rebuild_if_needed=True).reason == "there is none yet"
    before = plan.stat().st_ino, manifest_path(plan).stat().st_ino
    model.rename(tmp_path / "renamed.onnx")
    kept = convert_to_engine(tmp_path / "renamed.onnx", plan, RTX, rebuild_if_needed=True)
    assert not kept.built
    assert kept.manifest == read_manifest(plan)
    assert (plan.stat().st_ino, manifest_path(plan).stat().st_ino) == before


def test_the_manifest_finds_the_onnx_file_wherever_it_lies(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    (tmp_path / "named.onnx").symlink_to("m.onnx")
    monkeypatch.chdir(tmp_path)
    for name, plan, recorded in (
        ("m.onnx", "m.engine", "m.onnx"),
        (str(model), "./m.engine", "m.onnx"),
        ("m.onnx", str(tmp_path / "real" / "m.engine"), "../m.onnx"),
        ("m.onnx", "link/m.engine", "../../m.onnx"),
        ("named.onnx", "m.engine", "named.onnx"),
    ):
        manifest = convert_to_engine(name, plan, RTX).manifest
        assert manifest.onnx_name == recorded
        assert manifest.onnx_path(plan).samefile(model)


def test_a_file_in_the_place_of_the_renamed_one_needs_a_new_plan(model: Path, tmp_path: Path) -> None:
    plan, renamed = tmp_path / "m.engine", tmp_path / "renamed.onnx"
    convert_to_engine(model, plan, RTX)
    model.rename(renamed)
    write_tiny_model(model, mean=(0.1, 0.2, 0.3))
    assert "has changed since" in convert_to_engine(renamed, plan, RTX, rebuild_if_needed=True).reason
    assert read_manifest(plan).onnx_name == "renamed.onnx"
    assert not convert_to_engine(renamed, plan, RTX, rebuild_if_needed=True).built


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch": (1, 4, 9)}, "profile changed"),
        ({"optimization_level": 2, "workspace_mb": 99}, "optimization_level, workspace_mb changed"),
        ({"compute_capabilities": ("8.6",)}, "hardware_compatible changed"),
        ({"compute_capabilities": ("7.5",)}, "compute capability"),
    ],
)
def test_other_options_need_a_new_plan(changes: dict[str, Any], reason: str, model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "m.engine"
    convert_to_engine(model, plan, RTX)
    options = dataclasses.replace(RTX, **changes)
    report = convert_to_engine(model, plan, options, rebuild_if_needed=True)
    assert reason in report.reason
    assert read_manifest(plan).profile == options.batch
    assert not convert_to_engine(model, plan, options, rebuild_if_needed=True).built


def test_another_model_and_a_damaged_plan_need_a_new_one(model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "m.engine"
    convert_to_engine(model, plan, RTX)
    write_tiny_model(model, mean=(0.1, 0.2, 0.3))
    assert "onnx_sha256" in convert_to_engine(model, plan, RTX, rebuild_if_needed=True).reason
    plan.write_bytes(plan.read_bytes()[:-1])
    assert "damaged" in convert_to_engine(model, plan, RTX, rebuild_if_needed=True).reason
    manifest_path(plan).unlink()
    assert "cannot be read" in convert_to_engine(model, plan, RTX, rebuild_if_needed=True).reason
    assert read_manifest(plan).plan_sha256 == sha256_of(plan)


def test_a_plan_of_another_version_needs_a_new_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    plan = tmp_path / "m.engine"
    convert_to_engine(model, plan, RTX)
    newer = dataclasses.replace(library, version_text="1.8.0")
    monkeypatch.setattr(conversion, "import_tensorrt", lambda name: newer)
    report = convert_to_engine(model, plan, RTX, rebuild_if_needed=True)
    assert f"built by tensorrt-rtx {library.version_text}, this machine has 1.8.0" in report.reason


@pytest.fixture
def pair(model: Path, tmp_path: Path) -> dict[str, bytes]:
    """A plan and manifest that lie there already: name -> content."""
    convert_to_engine(model, tmp_path / "m.engine", RTX)
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_failed_build_leaves_the_old_pair(pair: dict[str, bytes], tmp_path: Path) -> None:
    options = dataclasses.replace(RTX, batch=(1, 64, 100_000), workspace_mb=1)
    with pytest.raises(ModelError, match=r"tensorrt-rtx [\d.]+ could not build it: .*workspace.*smaller --batch"):
        convert_to_engine(tmp_path / "m.onnx", tmp_path / "m.engine", options)
    assert contents(tmp_path) == pair


def test_a_manifest_that_cannot_be_written_leaves_the_old_plan(
    pair: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion.Manifest, "to_json", lambda self: "\udcff")
    with pytest.raises(UnicodeEncodeError):
        convert_to_engine(tmp_path / "m.onnx", tmp_path / "m.engine", RTX)
    assert contents(tmp_path) == pair


def test_a_plan_that_cannot_be_written_leaves_the_old_manifest(
    pair: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        convert_to_engine(tmp_path / "m.onnx", tmp_path / "m.engine", RTX)
    assert contents(tmp_path) == pair


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_build_and_leaves_the_old_pair(
    pair: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []

    def step(self: BuildMonitor, phase_name: str, step: int) -> bool:
        if not answers:
            os.kill(os.getpid(), signal.SIGINT)
            self._cancelled.wait(10)
        answers.append(not self.cancelled)
        return answers[-1]

    monkeypatch.setattr(BuildMonitor, "step_complete", step)
    with pytest.raises(KeyboardInterrupt):
        convert_to_engine(tmp_path / "m.onnx", tmp_path / "m.engine", RTX)
    assert answers == [False]  # the builder asked once, and stopped
    assert contents(tmp_path) == pair


def test_the_builder_reports_its_phases(model: Path, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = []
    start = BuildMonitor.phase_start

    def noted(self: BuildMonitor, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        phases.append((phase_name, num_steps))
        start(self, phase_name, parent_phase, num_steps)

    monkeypatch.setattr(BuildMonitor, "phase_start", noted)
    build_plan(library, model.read_bytes(), RTX, source=model)
    assert phases
    assert all(steps > 0 for _, steps in phases)


def test_a_phase_is_a_bar_until_it_ends(library: Any) -> None:
    progress = progress_bar()
    monitor = make_monitor(library, progress)
    monitor.phase_start("outer", None, 3)
    monitor.phase_start("inner", "outer", 2)
    assert monitor.step_complete("inner", 0)
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("outer", 0, 3),
        ("  inner", 1, 2),
    ]
    monitor.phase_finish("inner")
    assert [task.description for task in progress.tasks] == ["outer"]
    monitor.cancel()
    assert not monitor.step_complete("outer", 0)
    assert not monitor.step_complete("never started", 0)


def test_the_parser_names_node_and_operator(library: Any) -> None:
    model = good("fp32")
    node_of(model, "Mul:views").op_type = "DynamicQuantizeLinear"
    with pytest.raises(
        ModelError, match=r"^m: tensorrt-rtx's parser refuses it: Mul:views \(DynamicQuantizeLinear\): "
    ):
        build_plan(library, model.SerializeToString(), RTX, source="m")


def test_what_the_lint_refuses_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = good("int8")
    for node in model.graph.node:
        if node.name.endswith(("planes/q", "planes/dq")):
            del node.input[2]  # no zero point: UINT8, which this builder would take
    write_model(model, tiny_spec(mirror=True, precision="int8"), tmp_path / "cpu.onnx")
    with pytest.raises(ModelError, match=r"cpu\.onnx: TensorRT would refuse it: .*/q: quantizes to UINT8"):
        convert_to_engine(tmp_path / "cpu.onnx", tmp_path / "m.engine", RTX)
    assert files(tmp_path) == ["cpu.onnx"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("fp16", "is fp32 .*precision belongs in the ONNX file; make one by: pptsn convert fp16"),
        ("int8", "make one by: pptsn convert int8 --target tensorrt"),
        ("fp8", "choose one of fp32, fp16, int8"),
    ],
)
def test_a_weakly_typed_request_is_refused(asked: str, reason: str, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^--precision: .*{reason}"):
        convert_to_engine(model, tmp_path / "m.engine", RTX, precision=asked)
    assert convert_to_engine(model, tmp_path / "m.engine", RTX, precision="fp32").built


def test_outputs_are_checked_first(model: Path, tmp_path: Path) -> None:
    for name in ("m.onnx", "m.plan", "", ".."):
        with pytest.raises(UsageError, match=r"does not end in \.engine"):
            convert_to_engine(model, tmp_path / name if name else name, RTX)
    (tmp_path / "link.engine").symlink_to(model)
    with pytest.raises(UsageError, match="is an input as well"):
        convert_to_engine(model, tmp_path / "link.engine", RTX)
    for cache in ("m.onnx", "n.engine", "n.engine.json"):
        with pytest.raises(UsageError, match="as well"):
            convert_to_engine(model, tmp_path / "n.engine", BuildOptions(timing_cache=tmp_path / cache))


@pytest.mark.parametrize("place", ["plan", "manifest", "parent", "/proc/new"])
def test_a_place_that_cannot_be_written_is_found_before_the_build(
    place: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "build_plan", lambda *arguments, **options: pytest.fail("it was built"))
    output = tmp_path / "out" / "m.engine"
    if place == "plan":
        output.mkdir(parents=True)
    elif place == "manifest":
        manifest_path(output).mkdir(parents=True)
    elif place == "parent":
        output.parent.touch()
    else:
        output = Path(place) / "m.engine"
    for rebuild_if_needed in (False, True):
        with pytest.raises(InputError, match=r"m\.engine.*: (is a folder, expected a file|cannot be written)"):
            convert_to_engine(model, output, RTX, rebuild_if_needed=rebuild_if_needed)


def test_the_check_of_the_places_leaves_nothing_behind(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise ModelError("m", "could not be built")

    monkeypatch.setattr(conversion, "build_plan", fail)
    with pytest.raises(ModelError, match="could not be built"):
        convert_to_engine(model, tmp_path / "new" / "m.engine", RTX)
    assert files(tmp_path) == ["m.onnx"]


class FakeConfig:
    """A builder configuration whose timing caches begin with "ours"."""

    def __init__(self) -> None:
        self.cache: SimpleNamespace | None = None

    def create_timing_cache(self, content: bytes) -> SimpleNamespace | None:
        return SimpleNamespace(serialize=lambda: content + b"ours") if content[:4] in (b"", b"ours") else None

    def set_timing_cache(self, cache: SimpleNamespace, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self) -> SimpleNamespace | None:
        return self.cache


def test_the_timing_cache_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "timing.cache"
    for content in (b"ours", b"oursours"):
        engine_build.TimingCache(path, FakeConfig()).write()
        assert path.read_bytes() == content


def test_a_timing_cache_that_cannot_be_written_costs_the_cache_alone(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    cache = engine_build.TimingCache
    monkeypatch.setattr(engine_build, "TimingCache", lambda path, config: cache(path, FakeConfig()))
    monkeypatch.setattr(conversion, "import_tensorrt", lambda name: library)
    monkeypatch.setattr(
        conversion, "find_target", lambda options: Target("Orin", "12.6", ("8.7",), hardware_compatible=False)
    )
    (tmp_path / "file").touch()
    options = BuildOptions(batch=(1, 4, 8), timing_cache=tmp_path / "file" / "timing.cache")
    report = convert_to_engine(model, tmp_path / "m.engine", options)
    assert report.built
    assert read_manifest(tmp_path / "m.engine").plan_sha256 == sha256_of(tmp_path / "m.engine")
    (note,) = report.notes
    assert note.startswith("the plan was built, its timing cache was not kept: ")
    assert "timing.cache: cannot be written" in note
    options = dataclasses.replace(options, timing_cache=tmp_path / "timing.cache")
    assert convert_to_engine(model, tmp_path / "m.engine", options).notes == ()
    assert (tmp_path / "timing.cache").read_bytes() == b"ours"


def test_the_library_talks_at_length_for_the_build_alone(
    model: Path, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    during = []
    parse = engine_build._parse

    def noted(*arguments: Any) -> None:
        during.append(library.logger().verbose)
        parse(*arguments)

    monkeypatch.setattr(engine_build, "_parse", noted)
    build_plan(library, model.read_bytes(), RTX, source=model)
    assert not library.logger().verbose
    with pytest.raises(ModelError, match="refuses it"):
        build_plan(library, b"no model", RTX, source=model)
    assert not library.logger().verbose
    assert during == [True, True]


def test_a_foreign_timing_cache_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "timing.cache"
    path.write_bytes(b"another builder's")
    with pytest.raises(ModelError, match=r"timing\.cache: is no timing cache .*; delete it, or name another file"):
        engine_build.TimingCache(path, FakeConfig())
    with pytest.raises(ModelError, match="cannot be read"):
        engine_build.TimingCache(tmp_path, FakeConfig())


def test_without_tensorrt_the_error_says_where_it_comes_from(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependencyError, match=r"^tensorrt: .*JetPack"):
        convert_to_engine(model, tmp_path / "m.engine", BuildOptions())


def test_without_a_gpu_tensorrt_does_not_build_and_rtx_does(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    from pptsn.runtime.engines.tensorrt import cuda

    def no_gpu(index: int) -> Any:
        raise MissingDependencyError("device cuda:0", "CUDA does not start", "check the driver")

    monkeypatch.setattr(cuda, "open_cuda", no_gpu)
    assert convert_to_engine(model, tmp_path / "m.engine", RTX).manifest.gpu_name is None
    monkeypatch.setattr(conversion, "import_tensorrt", lambda name: dataclasses.replace(library, name=name))
    with pytest.raises(MissingDependencyError, match=r"^device cuda:0: CUDA does not start"):
        convert_to_engine(model, tmp_path / "t.engine", BuildOptions())
    assert "t.engine" not in files(tmp_path)


def test_with_a_gpu_the_manifest_names_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    """TensorRT's own options and facts, with the RTX library in its place: their names are the same."""
    from pptsn.runtime.engines.tensorrt import cuda

    gpu = SimpleNamespace(name="Orin", compute_capability="8.7", cuda_version="12.6")
    monkeypatch.setattr(cuda, "open_cuda", lambda index: gpu)
    stand_in = dataclasses.replace(library, name="tensorrt", version_text="10.3.0")
    monkeypatch.setattr(conversion, "import_tensorrt", lambda name: stand_in)
    plan = tmp_path / "m.engine"
    manifest = convert_to_engine(model, plan, BuildOptions(batch=(1, 4, 8))).manifest
    assert (manifest.gpu_name, manifest.compute_capabilities, manifest.cuda_version) == ("Orin", ("8.7",), "12.6")
    assert not manifest.hardware_compatible
    assert not convert_to_engine(model, plan, BuildOptions(batch=(1, 4, 8)), rebuild_if_needed=True).built
    gpu.name = "Another"
    again = convert_to_engine(model, plan, BuildOptions(batch=(1, 4, 8)), rebuild_if_needed=True)
    assert again.reason == "gpu_name changed"


def test_a_builder_that_does_not_start_is_one_line(model: Path, tmp_path: Path, library: Any) -> None:
    def fail(logger: Any) -> Any:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    broken = dataclasses.replace(library, module=SimpleNamespace(Builder=fail, ILogger=library.module.ILogger))
    with pytest.raises(MissingDependencyError, match=r"its builder does not start .*nullptr"):
        build_plan(broken, model.read_bytes(), RTX, source=model)


def test_the_network_is_strongly_typed_where_that_can_be_said(library: Any) -> None:
    flag = library.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert engine_build._network_flags(library.module) == 1 << int(flag)
    assert engine_build._network_flags(SimpleNamespace(NetworkDefinitionCreationFlag=object())) == 0


def test_what_is_hashed_is_what_is_built(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def noted(library: Any, content: bytes, *arguments: Any, **options: Any) -> Any:
        built.append(hashlib.sha256(content).hexdigest())
        return build_plan(library, content, *arguments, **options)

    monkeypatch.setattr(conversion, "build_plan", noted)
    assert convert_to_engine(model, tmp_path / "m.engine", RTX).manifest.onnx_sha256 == built[0]
