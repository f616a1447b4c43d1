from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.verify import chain as chain_module
from pptsn.convert.verify import logits as verify_logits
from pptsn.convert.verify.chain import verify_chain
from pptsn.convert.verify.export_engine import PaddleExportEngine
from pptsn.convert.verify.limits import Gates, Limits
from pptsn.convert.verify.logits import clip_logits, opened
from pptsn.convert.verify.reference import verify_reference
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import InputError, ModelError, UsageError, VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.recognizer import Recognizer
from pptsn.training.synthetic.mp4 import write_mp4
from tests.models import write_tiny_model

RUNS = Runs(segments=2, views="ten")
# A clip of one colour is what the tiny model says it is, when what it subtracts is grey.
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200), (150, 140, 135))
LABELS = [0, 1, 2, 0]
# Subtracts so much red that the last clip, a pale red, is taken for green.
BLIND_TO_PALE_RED = (0.6, 0.5, 0.5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    for place, colour in enumerate(COLOURS):
        write_mp4(folder / f"{place}.mp4", [np.full((48, 64, 3), colour, np.uint8)] * 4, fps=10)
    return [str(folder / f"{place}.mp4") for place in range(len(COLOURS))]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The same model twice, the second called FP16, and one of INT8 that mistakes one clip of four."""
    folder = tmp_path_factory.mktemp("models")
    return (
        write_tiny_model(folder / "m.onnx"),
        write_tiny_model(folder / "m.fp16.onnx", precision="fp16"),
        write_tiny_model(folder / "m.int8.onnx", precision="int8", mean=BLIND_TO_PALE_RED),
    )


@pytest.fixture(scope="module")
def converted(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("converted") / "m.onnx"
    convert_to_onnx(export, path)
    return path


def test_each_model_is_measured_against_the_first_and_the_one_before(
    models: tuple[Path, Path, Path], clips: list[str]
) -> None:
    chain = verify_chain([*models, models[2]], clips, runs=RUNS, labels=LABELS)
    first, same, other, again = chain.links
    assert (chain.clips, chain.skipped) == (4, ())
    assert [link.precision for link in chain.links] == ["fp32", "fp16", "int8", "int8"]
    assert (first.top1, first.top5, first.drop, first.against_first) == (1.0, 1.0, None, None)
    assert same.against_first is not None
    assert (same.top1, same.drop, same.against_first.max_abs) == (1.0, 0.0, 0.0)
    assert (other.top1, other.drop) == (0.75, 25.0)
    assert again.against_first is not None
    assert again.against_previous is not None
    assert (again.against_first.top1, again.against_previous.top1) == (0.75, 1.0)
    assert other.size_bytes == models[2].stat().st_size


def test_limits_go_by_precision_and_failures_name_the_model(
    models: tuple[Path, Path, Path], clips: list[str]
) -> None:
    chain = verify_chain(models, clips, runs=RUNS)
    assert [link.limits for link in chain.links] == [
        Limits(),
        Limits(error_worst=0.02),
        Limits(min_agreement=0.98),
    ]
    assert [bool(link.failures) for link in chain.links] == [False, False, True]
    with pytest.raises(VerificationError, match=r"m\.int8\.onnx: against .*m\.onnx, .*75\.00% of 4, less than 98"):
        chain.require_passed()


def test_limits_go_by_the_precision_of_the_first_model_too(
    models: tuple[Path, Path, Path], clips: list[str]
) -> None:
    for place, limits in ((1, Limits(error_worst=0.02)), (2, Limits(min_agreement=0.98))):
        chain = verify_chain([models[place], models[0]], clips, runs=RUNS)
        assert [link.precision for link in chain.links] == [("fp32", "fp16", "int8")[place], "fp32"]
        assert chain.links[1].limits == limits


def test_a_reference_on_a_gpu_is_judged_as_fp16(
    models: tuple[Path, Path, Path], clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "m.ENGINE"
    plan.write_bytes(models[0].read_bytes())
    opened_on = []

    def on_the_cpu(path, **options):  # type: ignore[no-untyped-def]
        opened_on.append(options["device"])
        return open_engine(models[0], device="cpu")

    monkeypatch.setattr(verify_logits, "open_engine", on_the_cpu)
    limits = [verify_chain(pair, clips, runs=RUNS).links[1].limits for pair in permutations([plan, models[0]])]
    assert opened_on == ["cuda", "cpu", "cpu", "cuda"]
    assert limits == [Limits(error_worst=0.02)] * 2
    assert verify_chain([models[0]] * 2, clips, runs=RUNS).links[1].limits == Limits(max_abs=1e-3)


@pytest.mark.parametrize(
    ("gates", "passes"),
    [
        ({"max_drop": 25.0}, True),
        ({"max_drop": 24.0}, False),
        ({"min_agreement": 0.75}, True),
        ({"min_agreement": 0.76}, False),
        ({"max_drop": 25.0, "min_agreement": 0.76}, False),
        ({"max_drop": 25.0, "tolerance": 1e-3}, False),
    ],
)
def test_gates_decide(
    models: tuple[Path, Path, Path], clips: list[str], gates: dict[str, float], passes: bool
) -> None:
    assert verify_chain(models, clips, runs=RUNS, gates=Gates(**gates), labels=LABELS).passed is passes


def test_an_export_folder_is_run_by_paddle(export: Path, converted: Path, clips: list[str]) -> None:
    chain = verify_chain([export, converted], clips, runs=RUNS)
    figures = chain.links[1].against_first
    assert chain.passed
    assert figures is not None
    assert 0 < figures.max_abs < 1e-3
    assert "paddle" in chain.links[0].engine
    assert chain.links[0].size_bytes > 0.9 * chain.links[1].size_bytes


def test_paddle_averages_mirror_images_where_the_other_models_do(export: Path, tmp_path: Path) -> None:
    for mirror in (True, False):
        model = write_tiny_model(tmp_path / "m.onnx", mirror=mirror)
        with opened([export, model], RUNS) as engines:
            assert [engine.spec.mirror for engine in engines] == [mirror, mirror]


def test_paddle_gives_the_logits_of_the_reference(export: Path) -> None:
    for mirror in (True, False):
        with PaddleExportEngine(export, mirror=mirror) as engine:
            limits = Limits(error_worst=1e-5)
            assert verify_reference(engine, export, name=export, limits=limits).passed
    with pytest.raises(ValueError, match="closed"):
        engine.infer(drawn_crops(1, 32))


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("model.json", None, r"has no model\.json"),
        ("model.pdiparams", None, r"has no model\.pdiparams"),
        ("spec.json", None, r"its spec\.json cannot be read"),
        ("model.json", 1000, r"model\.json: is not what was exported"),
        ("model.pdiparams", 1000, r"model\.pdiparams: is not what was exported"),
    ],
)
def test_a_damaged_export_is_one_line(
    export: Path, tmp_path: Path, name: str, content: int | None, cause: str
) -> None:
    for file in export.iterdir():
        if file.name != name:
            (tmp_path / file.name).symlink_to(file)
        elif content is not None:
            (tmp_path / name).write_bytes(file.read_bytes()[:content])
    with pytest.raises(ModelError, match=cause) as caught:
        PaddleExportEngine(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.json", "model.pdiparams"])
def test_damage_of_an_older_export_is_one_line(export: Path, tmp_path: Path, name: str) -> None:
    for file in export.iterdir():
        if file.name not in {name, "digests.json"}:
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).write_bytes((export / name).read_bytes()[:1000])
    with pytest.raises(ModelError, match="Paddle cannot load it") as caught:
        PaddleExportEngine(tmp_path)
    assert "\n" not in str(caught.value)


def test_clips_are_decoded_once_for_models_of_the_same_frames(
    models: tuple[Path, Path, Path], clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    original = Recognizer.classify_many

    def counting(self, sources, **options):  # type: ignore[no-untyped-def]
        passes.append(len(sources))
        return original(self, sources, **options)

    monkeypatch.setattr(Recognizer, "classify_many", counting)
    changed = [{"short_side": 44}, {"mirror": False}, {"resize_rule": "keep_aspect"}]
    others = [write_tiny_model(tmp_path / f"{place}.onnx", **change) for place, change in enumerate(changed)]
    for other in others:
        passes.clear()
        chain = verify_chain([*models, other], clips, runs=RUNS)
        assert passes == [4, 4]
        assert chain.clips == 4
    passes.clear()
    verify_chain([*models, others[1], others[1]], clips, runs=RUNS)
    assert passes == [4, 4]


def test_side_by_side_models_answer_as_alone(
    models: tuple[Path, Path, Path], clips: list[str], tmp_path: Path
) -> None:
    plain = write_tiny_model(tmp_path / "plain.onnx", mirror=False)
    together = [models[0], models[2], plain]
    with opened(together, RUNS) as engines:
        found, _, _ = clip_logits(engines, clips, RUNS)
    for place, model in enumerate(together):
        with Recognizer(open_engine(model, device="cpu")) as recognizer:
            for clip, source in enumerate(clips):
                alone = recognizer.classify(source, segments=2, views="ten").logits
                np.testing.assert_allclose(found[clip][place], alone, atol=1e-6)


def test_what_cannot_be_read_is_skipped_and_its_label_with_it(
    models: tuple[Path, Path, Path], clips: list[str]
) -> None:
    chain = verify_chain(models[:2], ["none.mp4", *clips], runs=RUNS, labels=[3, *LABELS])
    assert (chain.clips, chain.links[0].top1) == (4, 1.0)
    assert ["none.mp4" in line for line in chain.skipped] == [True]


def test_a_limit_takes_clips_evenly_and_their_labels_with_them(
    models: tuple[Path, Path, Path], clips: list[str]
) -> None:
    seen = []

    def keep(engines, sources, runs):  # type: ignore[no-untyped-def]
        seen.extend(sources)
        return clip_logits(engines, sources, runs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_module, "clip_logits", keep)
        # Of the two that are taken one cannot be read; the other is right by its own label alone.
        chain = verify_chain(
            models[:2], ["none.mp4", clips[0], clips[1], clips[2]], runs=RUNS, labels=[1, 0, 1, 2], limit=2
        )
    assert seen == ["none.mp4", clips[1]]
    assert (chain.clips, chain.named, len(chain.skipped), chain.links[0].top1) == (1, 4, 1, 1.0)
    whole = verify_chain(models[:2], clips, runs=RUNS, labels=LABELS, limit=9)
    assert (whole.clips, whole.named, whole.links[0].top1) == (4, 4, 1.0)


def test_clips_that_cannot_be_read_are_told_by_the_option_that_named_them(
    models: tuple[Path, Path, Path],
) -> None:
    with pytest.raises(InputError, match=r"^--labelled: none of 2 clips can be read"):
        verify_chain(models[:2], ["none.mp4"] * 2, runs=RUNS, labels=[0, 0])
    with pytest.raises(InputError, match=r"^--clips: none of 2 clips can be read"):
        verify_chain(models[:2], ["none.mp4"] * 2, runs=RUNS)
    with pytest.raises(UsageError, match=r"^--labelled: names no clips"):
        verify_chain(models[:2], [], runs=RUNS, labels=[])


def test_requests_that_make_no_sense_are_refused_before_any_work(
    models: tuple[Path, Path, Path], converted: Path, clips: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"--max-drop: .*--labelled"):
        verify_chain(models, clips, runs=RUNS, gates=Gates(max_drop=1))
    with pytest.raises(UsageError, match="names no clips"):
        verify_chain(models, [], runs=RUNS)
    with pytest.raises(InputError, match="label 4, the models have 4 classes"):
        verify_chain(models, clips, runs=RUNS, labels=[0, 1, 2, 4])
    with pytest.raises(ModelError, match=r"same number of classes \(3, 4\)"):
        verify_chain([models[0], converted], clips, runs=RUNS)
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be read"):
        verify_chain([models[0], tmp_path / "none.onnx"], clips, runs=RUNS)


def test_the_report_says_how_it_was_run_and_what_was_found(
    models: tuple[Path, Path, Path], clips: list[str], tmp_path: Path
) -> None:
    chain = verify_chain(models, clips, runs=RUNS, gates=Gates(max_drop=1), labels=LABELS)
    chain.write(tmp_path / "r.json")
    values = json.loads((tmp_path / "r.json").read_text())
    assert (values["passed"], values["clips"], values["segments"], values["optimise"]) == (False, 4, 2, True)
    last = values["models"][2]
    assert (last["precision"], last["top1"], last["drop"]) == ("int8", 0.75, 25.0)
    assert last["limits"]["max_drop"] == 1
    assert last["failures"] == ["it loses 25.00 points of top-1, more than 1"]
    assert last["against_first"].keys() >= {"top1", "max_abs", "mean_abs", "error_median", "error_worst"}
