"""Teachers of both kinds, and what is refused as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.runtime.base.errors import PptsnError
from pptsn.training.distillation.teacher import Teacher, open_teacher
from pptsn.training.export import export_model
from pptsn.training.export_options import ExportOptions
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import save_weights, state_of
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import train
from tests.models import write_crafted_model
from tests.training.distillation.teachers import LABELS, crafted_teacher
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), train=4, val=1)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    save_weights(state_of(PPTSN(18, 3)), folder / "teacher.pdparams")
    return folder


def taught(lists: Path, teacher: Path, **options: object) -> Recipe:
    """The tiny recipe, whose classes have names, with a teacher."""
    content = tiny_recipe(lists, epochs=1).model_dump()
    content["data"]["labels"] = str(lists / "labels.txt")
    content["distillation"] = {"teacher": str(teacher), **options}
    return parse_recipe(content, source="the test's recipe")


def opened(recipe: Recipe, labels: tuple[str, ...] = LABELS) -> Teacher:
    teacher = open_teacher(recipe, labels, device="cpu")
    assert teacher is not None
    return teacher


@pytest.mark.slow
def test_both_kinds_answer_with_the_mean_over_frames_in_inference_mode(lists: Path) -> None:
    options = ExportOptions(labels=lists / "labels.txt", short_side=36, crop_size=32)
    export_model(lists / "teacher.pdparams", lists / "export", options=options)
    convert_to_onnx(lists / "export", lists / "plain.onnx", mirror=False)
    crops = np.random.default_rng(2).integers(0, 255, (3, 5, 32, 32, 3), np.uint8)
    answers = []
    for name in ("teacher.pdparams", "plain.onnx"):
        with opened(taught(lists, lists / name)) as teacher:
            answers.append(teacher.logits(crops))
            each = [teacher.logits(crops[:, [frame]]) for frame in range(5)]
        assert answers[-1] == pytest.approx(np.mean(each, axis=0), abs=1e-4)
    assert answers[0].shape == (3, 3)
    assert answers[0] == pytest.approx(answers[1], abs=1e-3)


def test_a_clip_is_answered_with_the_mean_over_its_frames(lists: Path, tmp_path: Path) -> None:
    crops = np.random.default_rng(2).integers(0, 255, (3, 5, 32, 32, 3), np.uint8)
    with opened(taught(lists, crafted_teacher(tmp_path))) as teacher:
        assert teacher.logits(crops) == pytest.approx(crops.mean(axis=(1, 2, 3)), rel=1e-4)


def _of_classes(folder: Path) -> Path:
    save_weights(state_of(PPTSN(18, 4)), folder / "four.pdparams")
    return folder / "four.pdparams"


def _backbone(folder: Path) -> Path:
    state = state_of(PPTSN(18, 3)).items()
    backbone = {name.removeprefix("backbone."): array for name, array in state if name.startswith("backbone.")}
    save_weights(backbone, folder / "backbone.pdparams")
    return folder / "backbone.pdparams"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.pdparams", "none.pdparams"),
    "missing, converted": (lambda folder: folder / "none.onnx", "none.onnx"),
    "of more classes": (_of_classes, "has 4 classes, and 3 are to be learned"),
    "of other names": (
        lambda folder: crafted_teacher(folder, labels=("dark", "bright", "grey")),
        "has other classes: its class 1 is bright, that of the recipe grey",
    ),
    "a backbone": (_backbone, "is a backbone without a classifier"),
    "with softmax": (
        lambda folder: crafted_teacher(folder, "logits = Softmax<axis = 1>(means)"),
        "gives scores that add up to 1, expected logits",
    ),
    "without numbers": (
        lambda folder: crafted_teacher(folder, "logits = Div(means, none)"),
        "gives logits that are no finite numbers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_teacher_is_refused_in_a_line_and_leaves_no_folder(
    lists: Path, tmp_path: Path, case: str
) -> None:
    make, message = REFUSED[case]
    with pytest.raises(PptsnError) as refused:
        train(taught(lists, make(tmp_path)), tmp_path / "run")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_crops_of_another_size_is_refused(lists: Path, tmp_path: Path) -> None:
    graph = """larger (uint8[N, 40, 40, 3] crops) => (float[N, 3] logits)
        <int64[2] axes = {1, 2}> {
            pixels = Cast<to = 1>(crops)
            logits = ReduceMean<keepdims = 0>(pixels, axes)
        }"""
    path = write_crafted_model(tmp_path / "larger.onnx", graph, labels=LABELS, crop_size=40)
    with pytest.raises(PptsnError, match=r"sees crops of 40 pixels, and model\.crop_size is 32; make them"):
        opened(taught(lists, path))


def test_names_are_compared_only_where_both_have_them(lists: Path, tmp_path: Path) -> None:
    numbered = ("class_0", "class_1", "class_2")
    for own, labels in ((LABELS, numbered), (numbered, LABELS)):
        with opened(taught(lists, crafted_teacher(tmp_path, labels=own)), labels) as teacher:
            assert teacher.engine.spec.labels == own


def test_what_it_is_and_how_it_sees_clips_is_told(lists: Path, tmp_path: Path) -> None:
    path = crafted_teacher(tmp_path, num_seg=8, short_side=40, precision="int8")
    recipe = taught(lists, path, temperature=2, weight=0.9, label_weight=0.1)
    with opened(recipe) as teacher:
        first, *notes = teacher.lines(recipe)
    assert first.startswith(f"distillation: the teacher is {path} (depth 18, int8, by ")
    assert first.endswith("the loss is 0.1 * labels + 0.9 * soft labels at temperature 2")
    assert f"{path}: was trained with 8 segments, and sees clips with 2 here" in notes
    assert f"{path}: was trained with 40 pixels of the short side, and sees clips with 36 here" in notes


def test_a_key_without_a_teacher_is_refused(lists: Path) -> None:
    content = {**tiny_recipe(lists).model_dump(), "distillation": {"temperature": 2}}
    with pytest.raises(PptsnError, match="temperature needs teacher or mutual_depth"):
        parse_recipe(content, source="the test's recipe")
