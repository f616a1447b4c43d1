import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.convert.verify import logits as verify_logits
from pptsn.convert.verify.chain import verify_models
from pptsn.convert.verify.limits import Gates, Limits
from pptsn.convert.verify.reference import verify_reference
from pptsn.convert.verify.report import report_path
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import InputError, ModelError, UsageError, VerificationError
from pptsn.runtime.engines import Engine, open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models that differ a little: in the mean that they subtract."""
    folder = tmp_path_factory.mktemp("models")
    return write_tiny_model(folder / "a.onnx"), write_tiny_model(folder / "b.onnx", mean=(0.5, 0.5, 0.52))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(folder / f"{i}.mp4", frames=10 + i)) for i in range(3)]


def compare(models: tuple[Path, Path], clips: list[str], **gates: float):  # type: ignore[no-untyped-def]
    return verify_models(*models, clips, runs=Runs(segments=3, views="ten"), gates=Gates(**gates))


def test_a_model_agrees_with_itself(models: tuple[Path, Path], clips: list[str]) -> None:
    report = compare((models[0], models[0]), clips)
    assert report.passed
    assert (report.figures.rows, report.figures.max_abs, report.figures.top1) == (3, 0, 1)
    report.require_passed()


def test_a_difference_beyond_the_tolerance_fails_with_the_figures(
    models: tuple[Path, Path], clips: list[str]
) -> None:
    report = compare(models, clips)
    # 0.02 less of blue, divided by std 0.5, times 4.
    assert report.figures.max_abs == pytest.approx(0.16, rel=1e-3)
    assert report.figures.mean_abs == pytest.approx(0.04, rel=1e-3)
    assert not report.passed
    with pytest.raises(VerificationError, match=r"up to 1\.60e-01 .* more than the tolerance 0\.001"):
        report.require_passed()
    assert compare(models, clips, tolerance=0.2).passed


def test_clips_that_cannot_be_read_are_skipped_and_named(models: tuple[Path, Path], clips: list[str]) -> None:
    report = compare((models[0], models[0]), [*clips, "none.mp4"])
    assert report.figures.rows == 3
    assert len(report.skipped) == 1
    assert "none.mp4" in report.skipped[0]


def test_a_clip_that_only_one_model_could_read_is_skipped_and_named(
    models: tuple[Path, Path], clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models of other frame sizes see the clips in a pass of their own, in which one may have gone."""
    other = write_tiny_model(tmp_path / "other.onnx", short_side=44)
    original, passes = verify_logits.Recognizer.classify_many, []

    def failing_later(self, sources, **options):  # type: ignore[no-untyped-def]
        passes.append(sources)
        named = [InputError(clips[1], "went away") if source == clips[1] else source for source in sources]
        return original(self, sources if len(passes) == 1 else named, **options)

    monkeypatch.setattr(verify_logits.Recognizer, "classify_many", failing_later)
    report = compare((models[0], other), [*clips, "none.mp4"])
    assert len(passes) == 2
    assert report.figures.rows == 2
    assert sorted("went away" in reason for reason in report.skipped) == [False, True]
    passes.clear()
    with pytest.raises(InputError, match=r"none of 1 clips can be read .*went away"):
        compare((models[0], other), clips[1:2])


def test_no_readable_clip_is_an_error(models: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"none of 2 clips can be read .*none\.mp4"):
        compare(models, ["none.mp4", "neither.mp4"])
    with pytest.raises(UsageError, match="names no clips"):
        compare(models, [])


@pytest.mark.slow
def test_models_of_other_classes_are_not_comparable(
    models: tuple[Path, Path], export: Path, clips: list[str], tmp_path: Path
) -> None:
    from pptsn.convert.graph.conversion import convert_to_onnx

    convert_to_onnx(export, tmp_path / "three.onnx")
    with pytest.raises(ModelError, match="same number of classes"):
        compare((models[0], tmp_path / "three.onnx"), clips)


def test_a_report_is_json_beside_the_model(models: tuple[Path, Path], clips: list[str], tmp_path: Path) -> None:
    path = report_path(tmp_path / "m.fp16.onnx")
    assert path.name == "m.fp16.report.json"
    compare(models, [*clips, "none.mp4"]).write(path)
    values = json.loads(path.read_text())
    assert values["passed"] is False
    assert values["rows"] == 3
    assert values["tolerance"] == 1e-3
    assert values.keys() >= {"model", "against", "limits", "max_abs", "mean_abs", "top1", "top5", "skipped"}


def write_reference(folder: Path, size: int = 32, classes: int = 4) -> Path:
    crops = np.zeros((2, size, size, 3), np.uint8)
    logits = np.full((2, classes), -4, np.float32)
    logits[:, 3:] = 0
    np.savez(folder / "reference.npz", crops=crops, logits=logits, mirrored_logits=logits)
    return folder


def test_the_reference_of_an_export_is_checked(models: tuple[Path, Path], tmp_path: Path) -> None:
    write_reference(tmp_path)
    with open_engine(models[0]) as right, open_engine(models[1]) as wrong:
        assert verify_reference(right, tmp_path, name="a", tolerance=1e-3).passed
        assert not verify_reference(wrong, tmp_path, name="b", tolerance=1e-3).passed


def test_a_reference_is_judged_by_the_limits_given_or_those_of_the_precision(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    write_reference(tmp_path)
    int8 = write_tiny_model(tmp_path / "int8.onnx", mean=(0.5, 0.5, 0.52), precision="int8")
    with open_engine(models[1]) as wrong, open_engine(int8) as quantized:
        assert not verify_reference(wrong, tmp_path, name="b").passed
        assert verify_reference(wrong, tmp_path, name="b", limits=Limits(min_agreement=1.0)).passed
        assert verify_reference(quantized, tmp_path, name="c").passed


@pytest.mark.parametrize("changes", [{"size": 40}, {"classes": 3}])
def test_a_reference_of_another_model_is_named(
    models: tuple[Path, Path], tmp_path: Path, changes: dict[str, int]
) -> None:
    write_reference(tmp_path, **changes)
    with open_engine(models[0]) as engine, pytest.raises(ModelError, match="name the export"):
        verify_reference(engine, tmp_path, name="a", tolerance=1e-3)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_or_missing_reference_is_named(
    models: tuple[Path, Path], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "reference.npz").write_bytes(content)
    with open_engine(models[0]) as engine, pytest.raises(ModelError, match=r"reference\.npz: is no reference"):
        verify_reference(engine, tmp_path, name="a", tolerance=1e-3)


def is_refused(engine: Engine, export: Path, cause: str) -> None:
    with pytest.raises(ModelError, match=rf"reference\.npz: {cause}.*; export the model again") as caught:
        verify_reference(engine, export, name="a", tolerance=1e-3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_reference_that_is_cut_or_changed_is_named(
    models: tuple[Path, Path], tmp_path: Path, save: Callable[..., None]
) -> None:
    path = write_reference(tmp_path) / "reference.npz"
    save(path, **dict(np.load(path)))
    whole = path.read_bytes()
    with open_engine(models[0]) as engine:
        for length in np.linspace(0, len(whole) - 1, 12).astype(int):
            path.write_bytes(whole[:length])
            is_refused(engine, tmp_path, "is no reference")
        refused = 0
        for place in (*range(0, 300, 7), *range(len(whole) - 300, len(whole), 7)):
            damaged = bytearray(whole)
            damaged[place] ^= 0x55
            path.write_bytes(damaged)
            try:
                verify_reference(engine, tmp_path, name="a", tolerance=1e-3)
            except ModelError:  # nothing else; damage in what is not used cannot be seen
                refused += 1
        assert refused > 20


def test_a_single_array_is_no_reference(models: tuple[Path, Path], tmp_path: Path) -> None:
    with open(tmp_path / "reference.npz", "wb") as stream:
        np.save(stream, np.zeros(3))
    with open_engine(models[0]) as engine:
        is_refused(engine, tmp_path, "is no reference")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("crops", lambda crops: crops.astype(np.float32)),
        ("crops", lambda crops: crops[:1]),
        ("crops", lambda crops: crops[0]),
        ("logits", lambda logits: logits.astype("U4")),
        ("logits", lambda logits: logits[:1]),
        ("mirrored_logits", lambda logits: logits[:1]),
        ("mirrored_logits", lambda logits: logits[:, :1]),
        (None, lambda array: array[:0]),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    models: tuple[Path, Path], tmp_path: Path, name: str | None, change: Callable[[Any], Any]
) -> None:
    path = write_reference(tmp_path) / "reference.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{key: change(array) if name in (None, key) else array for key, array in arrays.items()})
    with open_engine(models[0]) as engine:
        is_refused(engine, tmp_path, "holds crops, logits and mirrored logits of .*expected uint8")
