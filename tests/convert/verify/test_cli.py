from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pptsn.cli.program import main
from pptsn.convert.verify import logits as verify_logits
from pptsn.convert.verify.report import report_path, verification_path
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import InputError
from pptsn.training.synthetic.mp4 import write_mp4
from tests.clips import cut_file, write_clip
from tests.models import write_tiny_model


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "c.mp4", frames=10)


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """A model, and one called INT8 that subtracts so much red that it takes a pale red for green."""
    model = write_tiny_model(tmp_path / "m.onnx")
    return model, write_tiny_model(tmp_path / "m.int8.onnx", precision="int8", mean=(0.6, 0.5, 0.5))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A list of a red, a green and a pale red clip."""
    for name, colour in {"red": (200, 60, 60), "green": (60, 200, 60), "pale": (150, 140, 135)}.items():
        write_mp4(tmp_path / f"{name}.mp4", [np.full((48, 64, 3), colour, np.uint8)] * 2, fps=10)
    (tmp_path / "list.txt").write_text("red.mp4 0\ngreen.mp4 1\npale.mp4 0\n")
    return tmp_path / "list.txt"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run `pptsn verify` in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["pptsn", "verify", *map(str, arguments)])
    with pytest.raises(SystemExit) as ending:
        main()
    return int(ending.value.code or 0)


def test_a_chain_prints_a_table_and_writes_its_report_apart_from_the_conversion_s(
    models: tuple[Path, Path],
    labelled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (model, int8), conversion = models, models[1].with_suffix(".report.json")
    conversion.write_text("of the conversion")
    assert run(monkeypatch, model, int8, "--labelled", labelled, "--max-drop", 50, "--segments", 1) == 0
    printed = capsys.readouterr().out
    lines = [line.partition(".onnx") for line in printed.splitlines() if ".onnx" in line]
    rows = {f"{name.strip()}.onnx": figures.split() for name, _, figures in lines}
    assert rows[str(model)][:4] == ["fp32", f"{model.stat().st_size / 1e6:.1f}", "100.00%", "100.00%"]
    assert rows[str(int8)][0] == "int8"
    assert rows[str(int8)][2:5] == ["66.67%", "100.00%", "66.67%"]
    assert [row[-1] for row in rows.values()] == ["reference", "passed"]
    assert conversion.read_text() == "of the conversion"
    assert json.loads(int8.with_suffix(".chain.report.json").read_text())["passed"] is True


@pytest.mark.parametrize(
    ("gate", "cause"),
    [
        (("--max-drop", 0.5), "it loses 33.33 points of top-1, more than 0.5"),
        (("--min-agreement", 0.98), "its top-1 agreement is 66.67% of 3, less than 98.00%"),
    ],
)
@pytest.mark.parametrize("form", ["chain", "against"])
def test_a_gate_fails_the_command_after_figures_and_report(
    models: tuple[Path, Path],
    labelled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gate: tuple[str, float],
    cause: str,
    form: str,
) -> None:
    model, int8 = models
    names = [model, int8] if form == "chain" else [int8, "--against", model]
    report = model.with_name("r.json")
    assert run(monkeypatch, *names, "--labelled", labelled, *gate, "--report", report) == 1
    printed = capsys.readouterr()
    assert "FAILED" in printed.out
    assert f"pptsn: error: {int8}: against {model}, {cause}; " in printed.err
    assert json.loads(report.read_text())["passed"] is False


def test_against_goes_by_the_precision_unless_told_otherwise(
    models: tuple[Path, Path],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, int8 = models
    common = [int8, "--against", model, "--clips", clip]
    run(monkeypatch, *common)
    assert "tolerance" not in capsys.readouterr().out
    assert run(monkeypatch, *common, "--tolerance", 1e-3) == 1
    assert "more than the tolerance 0.001" in capsys.readouterr().err


def test_the_command_fails_where_a_clip_was_skipped(
    models: tuple[Path, Path],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for names in ([models[0], "--against", models[0]], [models[0], models[0]]):
        common = [*names, "--report", tmp_path / "r.json", "--clips", clip]
        assert run(monkeypatch, *common) == 0
        (tmp_path / "r.json").unlink()
        assert run(monkeypatch, *common, "--clips", tmp_path / "none.mp4") == 1
        printed = capsys.readouterr()
        assert "passed" in printed.out
        assert "skipped" in printed.err
        assert json.loads((tmp_path / "r.json").read_text())["passed"] is True


def test_a_clip_that_ends_early_is_compared_and_named(
    models: tuple[Path, Path],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = cut_file(write_clip(tmp_path / "cut.mkv"), 0.6)
    for names in ([models[0], "--against", models[0]], [models[0], models[0]]):
        assert run(monkeypatch, *names, "--report", tmp_path / "r.json", "--clips", clip, "--clips", cut) == 0
        told = capsys.readouterr().err
        assert f"warning: {cut}: the file ends early: " in told
        assert "2 of 2 clips answered, 1 of them with warnings\n" in told
        warned = json.loads((tmp_path / "r.json").read_text())["warned"]
        assert ["cut.mkv: the file ends early" in line for line in warned] == [True]


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["M"], "carries no reference to be proven by"),
        (["."], "nothing to compare it with"),
        (["M", "--against", "M", "--reference", "E"], "either --reference or --against"),
        (["M", "M", "--against", "M", "--clips", "c"], "takes one MODEL"),
        (["M", "M"], "either --clips or --labelled"),
        (["M", "M", "--clips", "c", "--labelled", "l"], "either --clips or --labelled"),
        (["M", "--reference", "E", "--labelled", "l"], "--labelled: does not go with --reference"),
        (["M", "--reference", "E", "--clips", "c"], "--clips: does not go with --reference"),
        (["M", "--reference", "E", "--limit", "3"], "--limit: does not go with --reference"),
        (["M", "M", "--clips", "c", "--max-drop", "1"], "needs to know the right answers"),
        (["M", "--reference", "E", "--max-drop", "1"], "needs to know the right answers"),
        (["M", "M", "--clips", "c", "--min-agreement", "98"], "expected 0 to 1"),
    ],
)
def test_forms_that_make_no_sense_are_wrong_usage(
    models: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    cause: str,
) -> None:
    names = [models[0] if argument == "M" else argument for argument in arguments]
    assert run(monkeypatch, *names) == 2
    assert cause in capsys.readouterr().err


def test_plans_run_on_a_gpu_and_graphs_on_the_cpu_unless_told_otherwise(tmp_path: Path) -> None:
    runs = Runs(segments=1, views="ten")
    assert [runs.device_of(name) for name in ("m.onnx", "m.engine", tmp_path)] == ["cpu", "cuda", "cpu"]
    assert runs.device_of("M.ENGINE") == "cuda"
    runs = Runs(segments=1, views="ten", device="cuda:1")
    assert [runs.device_of(name) for name in ("m.onnx", "m.engine", tmp_path)] == ["cuda:1", "cuda:1", "cpu"]


def test_graphs_run_as_written_where_asked(
    models: tuple[Path, Path], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = verify_logits.open_engine

    def recording(path, **options):  # type: ignore[no-untyped-def]
        asked.append(options["optimise"])
        return original(path, **options)

    monkeypatch.setattr(verify_logits, "open_engine", recording)
    run(monkeypatch, models[0], models[0], "--clips", clip)
    run(monkeypatch, models[0], models[0], "--clips", clip, "--no-optimise")
    assert asked == [True, True, False, False]


@pytest.mark.parametrize("place", ["model", "against", "link", "clip.mp4", "list.txt", "sources"])
def test_a_report_is_not_written_over_an_input(
    labelled: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    write_tiny_model(tmp_path / "model")
    write_tiny_model(tmp_path / "against")
    (tmp_path / "link").symlink_to("model")
    shutil.copy(clip, tmp_path / "clip.mp4")
    (tmp_path / "sources").write_text("clip.mp4\n")
    before = (tmp_path / place).read_bytes()
    monkeypatch.chdir(tmp_path)
    clips = ["--labelled", "list.txt"] if place == "list.txt" else ["--clips", "@sources"]
    assert run(monkeypatch, "model", "--against", "against", *clips, "--report", tmp_path / place) == 2
    assert "itself; choose another name" in capsys.readouterr().err
    assert (tmp_path / place).read_bytes() == before


@pytest.mark.parametrize("plan", ["p.engine", "P.ENGINE"])
def test_a_report_is_not_written_over_a_plan_s_manifest(
    plan: str,
    models: tuple[Path, Path],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / plan).touch()
    (tmp_path / f"{plan}.json").write_text("manifest")
    names = [models[0], tmp_path / plan, "--clips", clip]
    assert run(monkeypatch, *names, "--report", tmp_path / f"{plan}.json") == 2
    assert "itself; choose another name" in capsys.readouterr().err
    assert (tmp_path / f"{plan}.json").read_text() == "manifest"


@pytest.mark.parametrize("name", ["reference.npz", "new.json"])
@pytest.mark.parametrize("form", ["reference", "chain"])
def test_a_report_is_not_written_into_an_export(
    models: tuple[Path, Path],
    export: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    form: str,
) -> None:
    names = [models[0], "--reference", export] if form == "reference" else [export, models[0], "--clips", clip]
    before = {file.name: file.read_bytes() for file in export.iterdir()}
    assert run(monkeypatch, *names, "--report", export / name) == 2
    assert "lies in the export folder" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in export.iterdir()} == before


@pytest.mark.parametrize("form", ["chain", "against"])
def test_figures_are_shown_where_the_report_cannot_be_written(
    models: tuple[Path, Path],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(path, "cannot be written (No space left on device)")

    monkeypatch.setattr("pptsn.convert.verify.chain.write_text", full)
    monkeypatch.setattr("pptsn.convert.verify.report.write_text", full)
    names = [models[0], models[0]] if form == "chain" else [models[0], "--against", models[0]]
    assert run(monkeypatch, *names, "--clips", clip) == 1
    printed = capsys.readouterr()
    assert "passed" in printed.out
    assert "No space left" in printed.err


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        (".", "is a folder"),
        ("file/r.json", "Not a directory"),
        ("file/deeper/r.json", "Not a directory"),
        (f"{'x' * 300}/r.json", "File name too long"),
        ("/proc/1/r.json", "cannot be written"),
    ],
)
def test_a_report_s_place_is_tried_before_the_models_are_opened(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    cause: str,
) -> None:
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    names = ["none.onnx", "none.onnx", "--clips", clip]
    assert run(monkeypatch, *names, "--report", tmp_path / place) == 2
    error = capsys.readouterr().err
    assert error.startswith("pptsn: error: --report: ")
    assert cause in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_trying_a_report_s_place_makes_nothing(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["--clips", clip, "--report", tmp_path / "new" / "deep" / "r.json"]
    assert run(monkeypatch, "none.onnx", "none.onnx", *common) == 1
    assert not (tmp_path / "new").exists()
    assert run(monkeypatch, models[0], models[0], *common) == 0
    assert (tmp_path / "new" / "deep" / "r.json").is_file()


def test_the_report_of_a_conversion_is_kept(
    models: tuple[Path, Path], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion = report_path(models[0])
    conversion.write_text("of the conversion")
    assert run(monkeypatch, models[0], "--against", models[0], "--clips", clip) == 0
    assert conversion.read_text() == "of the conversion"
    assert json.loads(conversion.with_name("m.verify.report.json").read_text())["passed"] is True


def test_reports_on_a_graph_its_plan_and_a_chain_have_names_of_their_own(tmp_path: Path) -> None:
    names = ["m.onnx", "m.engine", "m.int8.onnx", "m.int8.engine", "m.int8.rtx.engine", "M.ONNX"]
    models = [tmp_path / name for name in names]
    (tmp_path / "export.v2").mkdir()
    models.append(tmp_path / "export.v2")
    paths = [verification_path([*earlier, model]) for model in models for earlier in ([], models[:1])]
    assert len(set(paths)) == len(paths)
    assert not set(paths) & {report_path(model) for model in models}
    assert [place.name for place in paths[:4]] == [
        "m.verify.report.json",
        "m.chain.report.json",
        "m.engine.verify.report.json",
        "m.engine.chain.report.json",
    ]
    assert paths[-1] == tmp_path / "export.v2.chain.report.json"


def test_a_labelled_list_may_be_of_folders_of_frames(
    models: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, colour in {"red": (200, 60, 60), "green": (60, 200, 60)}.items():
        (tmp_path / name).mkdir()
        for number, shown in enumerate([colour, colour, (60, 60, 200)], 1):  # of the last the list does not speak
            Image.new("RGB", (64, 48), shown).save(tmp_path / name / f"img_{number:05}.jpg")
    (tmp_path / "frames.txt").write_text("red 2 0\ngreen 2 1\n")
    report = tmp_path / "r.json"
    common = ["--labelled", tmp_path / "frames.txt", "--report", report, "--segments", 3]
    assert run(monkeypatch, models[0], models[0], *common) == 0
    found = json.loads(report.read_text())
    assert (found["clips"], found["skipped"], found["models"][0]["top1"]) == (2, [], 1.0)
    assert run(monkeypatch, models[0], models[0], *common[:2], "--report", tmp_path / "frames.txt") == 2
    (tmp_path / "frames.txt").write_text("red 4 0\n")
    assert run(monkeypatch, models[0], models[0], *common) == 1
    assert "--labelled: none of 1 clips can be read" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["chain", "against"])
def test_a_limit_is_told_with_the_figures(
    models: tuple[Path, Path],
    labelled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    names = [models[0], models[0]] if form == "chain" else [models[0], "--against", models[0]]
    report = labelled.with_name("r.json")
    assert run(monkeypatch, *names, "--labelled", labelled, "--limit", 2, "--report", report) == 0
    assert "2 of 3 clips, " in capsys.readouterr().out
    assert json.loads(report.read_text())["clips_named"] == 3
    assert run(monkeypatch, *names, "--labelled", labelled, "--report", report) == 0
    assert " of 3 clips" not in capsys.readouterr().out
    assert run(monkeypatch, *names, "--labelled", labelled, "--limit", 0) == 2


@pytest.mark.parametrize("form", ["chain", "reference"])
def test_what_an_engine_notes_is_printed(
    models: tuple[Path, Path],
    export: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    original = verify_logits.open_engine

    def noting(path, **options):  # type: ignore[no-untyped-def]
        engine = original(path, **options)
        engine.notes = (f"{Path(path).name} carries [code]",)
        return engine

    monkeypatch.setattr(verify_logits, "open_engine", noting)
    names = [*models, "--clips", clip] if form == "chain" else [models[0], "--reference", export]
    run(monkeypatch, *names)
    noted = [line for line in capsys.readouterr().err.splitlines() if "note" in line]
    names_noted = ["m.onnx", "m.int8.onnx"] if form == "chain" else ["m.onnx"]
    assert noted == [f"pptsn: note: {name} carries [code]" for name in names_noted]
