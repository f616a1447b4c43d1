import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest

from pptsn.cli.program import main
from pptsn.convert.checks import check_file
from pptsn.convert.frames import calibration_sources
from pptsn.convert.int8 import conversion, search
from pptsn.convert.int8.conversion import Int8Result, convert_to_int8
from pptsn.convert.int8.histogram import METHODS
from pptsn.convert.int8.options import PLACEMENTS, Int8Options, Recipe, SkipLayers
from pptsn.convert.int8.scales import Scale, weight_scales
from pptsn.runtime.base.errors import InputError, ModelError, UsageError, VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.onnxruntime import engine as onnxruntime_engine
from pptsn.runtime.model.activations import activation_scales
from pptsn.runtime.model.file import ModelFile, sealed
from tests.convert.fp16.test_cast import replace
from tests.convert.precision_models import balanced_network, write_clips, write_residual_model
from tests.convert.residual_network import residual_model, residual_network


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_residual_model(tmp_path / "m.onnx")


@contextmanager
def no_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None


def convert(model: Path, clips: Path, target: str = "tensorrt", **options: object) -> Int8Result:
    values = {"target": target, "frames": 48} | options
    output = model.with_name("m.int8.onnx")
    sources = calibration_sources(str(clips))
    return convert_to_int8(model, output, sources, options=Int8Options(**values), bar=no_bar)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["tensorrt", "cpu"])
def test_the_file_answers_as_fp32_does(model: Path, clips: Path, target: str) -> None:
    result = convert(model, clips, target)
    assert result.report.figures.rows == 16
    assert 0 < result.report.figures.error_median < 0.1
    assert (result.quantized, result.convolutions) == (6, 6)
    crops = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    with open_engine(model.with_name("m.int8.onnx"), device="cpu") as engine:
        assert engine.spec.precision == "int8"
        assert engine.infer(crops).shape == (2, 4)


def test_tensorrt_would_refuse_the_encoding_for_cpus_alone(model: Path, clips: Path) -> None:
    convert(model, clips, "tensorrt", method="min-max")
    assert check_file(model.with_name("m.int8.onnx")) == []
    convert(model, clips, "cpu", method="min-max")
    assert any("UINT8" in str(finding) for finding in check_file(model.with_name("m.int8.onnx")))


def test_auto_tries_every_method_and_placement_and_keeps_the_best(model: Path, clips: Path) -> None:
    result = convert(model, clips, placement="auto")
    tried = {(c.recipe.method, c.recipe.placement) for c in result.candidates}
    assert tried == {(m, p) for m in METHODS for p in ("convolutions", "residual")}
    chosen = next(c for c in result.candidates if c.recipe == result.chosen)
    assert chosen.figures.error_median == min(c.figures.error_median for c in result.candidates)


def test_compensation_changes_the_weights_alone(model: Path, clips: Path) -> None:
    def converted(compensate: bool) -> dict[str, np.ndarray]:
        convert(model, clips, method="min-max", placement="residual", compensate=compensate)
        return stored(model.with_name("m.int8.onnx"))

    plain, compensated = converted(False), converted(True)
    assert plain.keys() == compensated.keys()
    changed = {name for name in plain if not np.array_equal(plain[name], compensated[name])}
    assert {name for name in changed if not name.endswith("_b")} == {
        f"network/{name}_w_int8" for name in ("stem", "main1", "main2", "short", "same1", "same2")
    }
    for name in changed:
        if name.endswith("_int8"):
            assert np.abs(plain[name].astype(int) - compensated[name]).max() <= 3


def test_skipping_the_worst_layers_takes_them_from_the_layers_own_errors(model: Path, clips: Path) -> None:
    result = convert(model, clips, skip=SkipLayers(worst=2), method="min-max", placement="residual")
    assert result.chosen.skipped == tuple(layer.layer for layer in result.layers[:2])
    assert len(result.candidates) == 2
    assert result.quantized == 4
    kinds = [tensor.data_type for tensor in onnx.load(str(model.with_name("m.int8.onnx"))).graph.initializer]
    assert kinds.count(onnx.TensorProto.INT8) > 4


def test_shortcuts_are_quantized_unless_asked_otherwise(model: Path, clips: Path) -> None:
    assert {c.recipe.placement for c in convert(model, clips).candidates} == {"residual"}


def test_skipping_is_done_even_where_the_whole_model_errs_less(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        conversion, "best", lambda candidates: min(candidates, key=lambda c: len(c.recipe.skipped))
    )
    result = convert(model, clips, skip=SkipLayers(worst=1), method="min-max")
    assert len(result.chosen.skipped) == 1


def test_layers_are_judged_by_the_best_method(model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = search.Quantizer.layer_errors
    monkeypatch.setattr(
        search.Quantizer,
        "layer_errors",
        lambda self, method, **bar: asked.append(method) or real(self, method, **bar),
    )
    monkeypatch.setattr(
        conversion, "best", lambda candidates: next(c for c in candidates if c.recipe.method == "entropy")
    )
    convert(model, clips, sensitivity=True)
    assert asked == ["entropy"]


def test_an_overflow_in_the_part_that_is_fp16_is_named(model: Path, clips: Path) -> None:
    overflowing = replace(replace(residual_model(), "same2_b", np.full(16, 6e4)), "short_b", np.full(16, 6e4))
    network = residual_network(overflowing)
    write_residual_model(model, network)
    with pytest.raises(ModelError, match="FP16 ends at 65504"):
        convert(model, clips, method="min-max")
    assert not model.with_name("m.int8.onnx").exists()


def test_the_file_is_judged_as_it_is_written(model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optimised = []
    real = conversion.OnnxRuntimeEngine

    def engine(path, **options):  # type: ignore[no-untyped-def]
        optimised.append(options.get("optimise", True))
        return real(path, **options)

    monkeypatch.setattr(conversion, "OnnxRuntimeEngine", engine)
    convert(model, clips, "cpu", method="min-max")
    assert optimised == [True, False]


def test_places_that_cannot_be_written_are_told_before_any_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    for place, error in ((tmp_path / "folder.onnx", UsageError), (tmp_path / "file" / "m.onnx", InputError)):
        with pytest.raises(error):
            convert_to_int8(model, place, [], options=Int8Options(target="cpu"), bar=no_bar)


def test_how_it_was_made_travels_in_the_file_and_the_report(model: Path, clips: Path) -> None:
    result = convert(model, clips, method="entropy", placement="residual", sensitivity=True)
    file = ModelFile.open(model.with_name("m.int8.onnx"))
    facts = file.quantization
    assert {name: value for name, value in (facts or {}).items() if name != "activations"} == {
        "target": "tensorrt",
        "method": "entropy",
        "placement": "residual",
        "skipped_layers": [],
        "compensated": True,
        "calibration_digest": result.frames.digest(),
        "calibration_frames": 48,
        "calibration_clips": 8,
    }
    # What each of six convolutions reads, and the shortcuts of two additions.
    readers = [scale.reader for scale in activation_scales(file)]
    assert (readers.count("Conv"), readers.count("Add"), len(readers)) == (6, 2, 8)
    report = json.loads(model.with_name("m.int8.report.json").read_text())
    assert report["quantization"] == facts
    assert len(report["candidates"]) == 1
    assert len(report["layers"]) == 6


def stored(path: Path) -> dict[str, np.ndarray]:
    tensors = onnx.load(str(path)).graph.initializer
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}


@pytest.mark.parametrize("target", ["tensorrt", "cpu"])
def test_trained_weights_get_the_scales_that_training_rounded_by(
    model: Path, clips: Path, tmp_path: Path, target: str
) -> None:
    convert(model, clips, target, method="min-max", skip=SkipLayers(names=("short",)))
    before = model.with_name("m.int8.onnx").rename(tmp_path / "before.onnx")
    trained = residual_model()
    weights = next(tensor for tensor in trained.graph.initializer if tensor.name == "stem_w")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.5, "stem_w"))
    write_residual_model(model, residual_network(trained))
    result = convert(model, clips, target, scales_of=before)
    assert result.chosen == Recipe(target, "min-max", PLACEMENTS[target][-1], ("short",))
    first, second = ModelFile.open(before), ModelFile.open(model.with_name("m.int8.onnx"))
    assert activation_scales(second) == activation_scales(first)
    facts = second.quantization or {}
    assert (facts["compensated"], facts["scales_of"]) == (False, first.sha256)
    values, others = stored(model.with_name("m.int8.onnx")), stored(before)
    steps = weight_scales(onnx.numpy_helper.to_array(weights))
    np.testing.assert_array_equal(values["network/stem_w_scale"].astype(np.float32), steps)
    activations = {name for name in values if name.endswith("_scale") and values[name].ndim == 0}
    assert len(activations) >= 6
    assert all(values[name] == others[name] for name in activations)


def test_scales_that_cannot_be_taken_are_refused(model: Path, clips: Path, tmp_path: Path) -> None:
    convert(model, clips, "cpu", method="min-max")
    file = model.with_name("m.int8.onnx").rename(tmp_path / "cpu.onnx")
    with pytest.raises(UsageError, match=r"cpu\.onnx: is for cpu, asked for is tensorrt; pass its own --target"):
        convert(model, clips, "tensorrt", scales_of=file)
    with pytest.raises(UsageError, match=r"m\.onnx: is fp32; name a file of `pptsn convert int8`"):
        convert(model, clips, "cpu", scales_of=model)
    with pytest.raises(UsageError, match=r"^--method: is what .*cpu\.onnx says; leave out --scales-of, or it"):
        Int8Options(target="cpu", method="entropy", scales_of=file)
    opened = ModelFile.open(file, keep_content=True)
    facts = opened.quantization or {}
    for changes, cause in (
        ({"activations": None}, "its activations' scales are damaged"),
        ({"activations": facts["activations"][1:]}, "is of another network than"),
        ({"placement": "nowhere"}, "by a placement that this release does not know, 'nowhere'"),
        ({"skipped_layers": 3}, "does not tell how it was quantized"),
    ):
        file.write_bytes(sealed(opened.content, opened.spec, quantization=facts | changes))
        with pytest.raises(ModelError, match=cause):
            convert(model, clips, "cpu", scales_of=file)
    del facts["activations"]
    file.write_bytes(sealed(opened.content, opened.spec, quantization=facts))
    with pytest.raises(ModelError, match=r"does not tell the scales .* older release made it; quantize the model"):
        convert(model, clips, "cpu", scales_of=file)


def test_a_second_run_takes_the_ranges_from_the_cache(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert(model, clips, method="min-max")
    monkeypatch.setattr("pptsn.convert.int8.calibration.observe", None)
    assert convert(model, clips, method="min-max").report.figures == first.report.figures
    with pytest.raises(TypeError):
        monkeypatch.setattr(conversion, "observe", None)
        convert(model, clips, method="min-max", cache=False)


def test_one_miscalibrated_layer_fails_and_leaves_the_old_file(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = search.scale_of, []

    def wrong(histogram, method, target):  # type: ignore[no-untyped-def]
        calls.append(method)
        scale = real(histogram, method, target)
        # The last tensor of the network: what the last convolution reads, whose every value then saturates.
        return Scale(scale.scale / 1e4, 0, "int8") if len(calls) == 6 else scale

    write_residual_model(model, balanced_network(clips))
    convert(model, clips, method="min-max", placement="convolutions", min_agreement=0.75)
    model.with_name("m.int8.report.json").unlink()
    monkeypatch.setattr(search, "scale_of", wrong)
    output = model.with_name("m.int8.onnx")
    output.write_bytes(b"old")
    result = convert(model, clips, method="min-max", placement="convolutions", min_agreement=0.75)
    with pytest.raises(VerificationError, match="top-1 agreement is"):
        result.report.require_passed()
    assert output.read_bytes() == b"old"
    assert not model.with_name("m.int8.report.json").exists()


def test_bad_requests_are_told_before_any_work(model: Path, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of tensorrt, cpu"):
        Int8Options(target="gpu")
    with pytest.raises(UsageError, match="choose one of auto, min-max"):
        Int8Options(target="cpu", method="best")
    with pytest.raises(UsageError, match="--placement"):
        Int8Options(target="cpu", placement="residual")
    with pytest.raises(UsageError, match="no convolution"):
        convert(model, tmp_path / "nowhere", skip=SkipLayers(names=("nonsense",)))
    with pytest.raises(InputError, match="none of 1 clips"):
        convert(model, tmp_path / "nowhere")


def test_a_model_that_is_quantized_already_is_refused(model: Path, clips: Path) -> None:
    convert(model, clips, method="min-max", placement="residual")
    with pytest.raises(ModelError, match="is int8 already"):
        convert_to_int8(
            model.with_name("m.int8.onnx"),
            model.with_name("again.onnx"),
            calibration_sources(str(clips)),
            options=Int8Options(target="cpu"),
            bar=no_bar,
        )


def test_the_command_prints_its_trials_and_what_it_wrote(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "broken.mp4").write_bytes(b"no video")
    output = model.with_name("m.int8-cpu.onnx")
    arguments = [
        "convert",
        "int8",
        model,
        "-o",
        output,
        "--target",
        "cpu",
        "--calibration",
        clips,
        "--frames",
        "48",
    ]
    monkeypatch.setattr("sys.argv", ["pptsn", *map(str, arguments), "--skip-layers", "auto:1"])
    with pytest.raises(SystemExit) as ending:
        main()
    (clips / "broken.mp4").unlink()
    assert not ending.value.code
    printed = capsys.readouterr()
    for method in METHODS:
        assert printed.out.count(f" {method} ") >= 2
    assert "5 of 6 convolutions in INT8, calibrated on" in printed.out
    assert f"wrote {output}" in printed.out
    assert "broken.mp4" in printed.err


def test_a_model_that_fails_its_gate_shows_its_trials_first(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_residual_model(model, balanced_network(clips))
    monkeypatch.setattr(search, "scale_of", lambda histogram, method, target: Scale(1e-4, 0, "int8"))
    arguments = ["convert", "int8", model, "-o", model.with_name("m.int8.onnx"), "--target", "tensorrt"]
    monkeypatch.setattr("sys.argv", ["pptsn", *map(str, arguments), "--calibration", str(clips), "--frames", "48"])
    with pytest.raises(SystemExit) as ending:
        main()
    printed = capsys.readouterr()
    assert ending.value.code == 1
    assert " entropy " in printed.out
    assert "top-1 agreement is" in printed.err
    assert not model.with_name("m.int8.onnx").exists()


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize(("target", "optimised"), [("tensorrt", False), ("cpu", True)])
def test_on_a_cpu_a_file_for_tensorrt_runs_without_fusions_and_says_so(
    model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, target: str, optimised: bool, device: str
) -> None:
    convert(model, clips, target, method="min-max")
    asked = []
    real = onnxruntime_engine.OnnxRuntimeEngine

    def engine(path, **options):  # type: ignore[no-untyped-def]
        asked.append(options["optimise"])
        return real(path, **options)

    monkeypatch.setattr(onnxruntime_engine, "OnnxRuntimeEngine", engine)
    with open_engine(model.with_name("m.int8.onnx"), backend="onnxruntime", device=device) as opened:
        assert any("encoded for TensorRT" in note for note in opened.notes) is not optimised
    assert asked == [optimised]
