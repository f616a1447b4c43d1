import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pptsn.cli.recipe_options import RecipeArgument
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.training.data.inputs import model_spec
from pptsn.training.recipe import changed_keys, load_recipe, packaged_recipes, parse_recipe

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LISTS = {"data": {"train": "train.txt", "val": "val.txt"}}


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_project_are_read(config):
    recipe = load_recipe(config)
    assert parse_recipe(recipe.model_dump(), source="x") == recipe


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_a_published_step_has_256_clips_on_any_number_of_cards(ranks):
    optimizer = load_recipe(CONFIGS / "kinetics400.yaml").optimizer
    assert optimizer.batches_per_step(ranks) * optimizer.batch_size * ranks == 256


@pytest.mark.parametrize(
    ("overrides", "ranks", "said"),
    [
        ({"clips_per_step": 256}, 3, "is 256, which batches of 32 on each of 3 ranks do not make"),
        ({"clips_per_step": 16}, 1, "is 16, which batches of 32 do not make"),
        ({"clips_per_step": 64, "accumulate": 2}, 1, r"and accumulate \(2\) are both set"),
    ],
)
def test_steps_that_no_batches_make_are_refused(overrides, ranks, said):
    optimizer = parse_recipe({**LISTS, "optimizer": overrides}, source="x").optimizer
    with pytest.raises(UsageError, match=rf"^optimizer\.clips_per_step: {said}"):
        optimizer.batches_per_step(ranks)


@pytest.mark.parametrize("name", ["kinetics400", "kinetics400_frames", "ucf101", "ucf101_frames"])
def test_the_defaults_are_the_published_recipe(name):
    recipe = parse_recipe(LISTS, source="x")
    published = load_recipe(CONFIGS / f"{name}.yaml")
    assert published.model.pretrained.name == "ResNet50_vd_ssld_v2_pretrained.pdparams"
    assert published.data.format == ("frames" if name.endswith("frames") else "videos")
    assert recipe.optimizer == published.optimizer.model_copy(update={"clips_per_step": None})
    assert recipe.augmentation == published.augmentation
    test: dict[str, object] = {"views": "ten", "segments": 25}
    if published.data.format == "videos":
        test |= {"sampling": "linspace", "resize_rule": "keep_aspect_floor"}
    assert published.evaluation == recipe.evaluation.model_copy(update=test)


@pytest.mark.parametrize("said", [{}, {"segments": 4}, {"window_s": 2.5, "segments": 5, "views": "three"}])
def test_what_a_recipe_says_of_streams_goes_into_the_spec(said):
    recipe = parse_recipe({**LISTS, "stream": said}, source="x")
    assert model_spec(recipe, labels=("a", "b"), weights_digest="0" * 64).said_of_streams == said


def test_a_recipe_survives_writing(tmp_path):
    recipe = parse_recipe({**LISTS, "optimizer": {"weight_decay": "1e-4"}, "device": "cuda:1"}, source="x")
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "r.yaml") == recipe


@pytest.mark.parametrize("lie", ["nowhere", "here", "beside", "both"])
def test_files_that_lie_beside_a_recipe_rather_than_in_the_working_folder_are_told(
    tmp_path, monkeypatch, capsys, lie
):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "r.yaml").write_text(parse_recipe(LISTS, source="x").to_yaml())
    for folder in [tmp_path] * (lie in ("here", "both")) + [tmp_path / "own"] * (lie in ("beside", "both")):
        for name in LISTS["data"].values():
            (folder / name).touch()
    monkeypatch.chdir(tmp_path)
    load_recipe("own/r.yaml")
    told = "beside it is not in the working folder, where its paths begin; run the command in own, or write whole"
    assert (told in capsys.readouterr().err) == (lie == "beside")


@pytest.mark.parametrize("length", [200, 255, 256, 5000])
def test_a_list_whose_name_no_file_can_have_is_as_one_that_is_missing(length, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/r.yaml").write_text(f"data: {{train: {'a' * length}, val: v, labels: l}}\n")
    assert str(load_recipe("own/r.yaml").data.train) == "a" * length
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError):
        load_recipe("a" * length)


def test_a_list_of_folds_that_lies_beside_a_recipe_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "own").mkdir()
    data = {"train": "train.txt", "folds": "folds.txt"}
    values = {"model": {"head_only": True, "pretrained": "start.pdparams"}, "data": data}
    (tmp_path / "own" / "r.yaml").write_text(parse_recipe(values, source="x").to_yaml())
    (tmp_path / "train.txt").touch()
    (tmp_path / "own" / "folds.txt").touch()
    monkeypatch.chdir(tmp_path)
    load_recipe("own/r.yaml")
    assert "own/r.yaml: folds.txt beside it is not in the working folder" in capsys.readouterr().err


def test_overrides_replace_values():
    overrides = ["optimizer.base_rate=1e-4", "data.labels=names.txt", "amp=false", "model.classes=null"]
    recipe = load_recipe(CONFIGS / "kinetics400.yaml", overrides)
    assert recipe.optimizer.base_rate == 1e-4
    assert recipe.data.labels == Path("names.txt")
    assert recipe.amp is False
    assert recipe.model.classes is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.epoch=3", "unknown key optimizer.epoch; did you mean optimizer.epochs"),
        ("epochs=3", "unknown key epochs; did you mean optimizer.epochs?"),
        ("optimizer.epochs=0", "optimizer.epochs is 0: input should be greater"),
        ("model.depth=17", "model.depth is 17: expected one of 18, 34"),
        ("model.architecture=x", "model.architecture is 'x': expected one of pptsn-resnet_vd"),
        ("model.crop_size=300", "crop_size 300 exceeds short_side 256"),
        ("model.resize_rule=squash", "'fixed_ratio', 'keep_aspect' or 'keep_aspect_floor'"),
        ("device=tpu", "device is 'tpu'"),
        ("optimizer.class_weights=by_size", "expected inverse_frequency, or a list of numbers greater than 0"),
        ("optimizer.class_weights=[1, 0]", "optimizer.class_weights is [1, 0]: expected inverse_frequency, or"),
        ("augmentation.crop_area=[0.1, 1]", "augmentation: crop_area needs crop: random_resized; correct it"),
        ("augmentation={crop: random_resized, crop_ratio: [2, 1]}", "crop_ratio is [2.0, 1.0], expected [LOWEST,"),
        ("augmentation={crop: random_resized, crop_ratio: [1.0e-320, 1]}", "[LOWEST, HIGHEST] from 0.01 to 100"),
        ("augmentation={crop: random_resized, crop_area: [0.1, 2]}", "[LOWEST, HIGHEST] from 0.0001 to 1;"),
        ("augmentation.crop=centre", "'multi_scale' or 'random_resized'"),
        ("augmentation.hue=0.6", "augmentation.hue is 0.6: input should be less than or equal to 0.5"),
        ("stream.segments=0", "stream.segments is 0: input should be greater"),
        ("stream.window_s=.nan", "stream.window_s is nan: input should be"),
        ("stream.views=five", "'ten', 'three' or 'center'"),
        ("stream.window_s=0.002", "window_s gives 0.00025 s between sampled frames, expected 0.001 to 86400"),
        (
            "model={freeze: res2}",
            "model: freeze needs pretrained: random weights are nothing to keep; --set model",
        ),
        (
            "model.head_only=true",
            "yaml: model.head_only takes no steps, which amp would change; --set amp=false turns",
        ),
        (
            "model={head_only: true, pretrained: x, freeze: res2}",
            "which model.freeze and amp would change; --set model.freeze=null --set amp=false turns that off",
        ),
        ("model.precise_batch_norm=0", "model.precise_batch_norm is 0: input should be greater"),
        ("optimizer.ema_decay=1", "optimizer.ema_decay is 1: input should be less than 1"),
        ("optimizer.patience=0", "optimizer.patience is 0: input should be greater"),
        ("foo", "expected KEY=VALUE"),
        ("seed.a=1", "seed is no section"),
        ("amp=[1", "its value is no YAML"),
        ("seed=2024-99-99", "its value is no YAML (month must be in 1..12)"),
        ("seed=!!int ''", "its value is no YAML"),
        ("seed=" + "[" * 1200, "its value is no YAML (it is nested too deeply)"),
        (f"seed={['x'] * 100}", "seed is ['x'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(override, message):
    with pytest.raises(UsageError) as caught:
        load_recipe(CONFIGS / "kinetics400.yaml", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, InputError, "cannot be read"),
        ("model: [", UsageError, "is no YAML"),
        ("[" * 1200, UsageError, "is no YAML .it is nested too deeply"),
        ("seed: 2024-99-99", UsageError, "is no YAML .month must be"),
        ("just text", UsageError, "holds no sections"),
        ("model: {depth: 18}", UsageError, "data is missing"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(error, match=message):
        load_recipe(tmp_path / "r.yaml")


def test_recipes_that_come_with_the_package_are_found_by_name(tmp_path, monkeypatch):
    assert set(packaged_recipes()) == {path.stem for path in CONFIGS.glob("*.yaml")}
    monkeypatch.chdir(tmp_path)
    assert load_recipe("demo", ["seed=7"]) == load_recipe(CONFIGS / "demo.yaml", ["seed=7"])
    (tmp_path / "demo").write_text("data: {train: a, val: b}")
    assert load_recipe("demo").data.train == Path("a"), "a file of that name comes first"


@pytest.mark.parametrize("name", ["unknown", "demo.yaml", "./demo"])
def test_where_there_is_no_such_recipe_the_names_are_listed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"recipe that comes with pptsn: demo, kinetics400, .*ucf101_frames$"):
        load_recipe(name)


def test_the_help_of_the_command_names_every_recipe():
    (about,) = (part for part in get_args(RecipeArgument) if hasattr(part, "help"))
    assert about.help.endswith(f": {', '.join(packaged_recipes())}.")


def test_changes_are_named_unless_the_weights_do_not_depend_on_them():
    old = load_recipe(CONFIGS / "kinetics400.yaml")
    overrides = ["seed=3", "optimizer.epochs=7", "data.workers=0", "evaluation.segments=3", "data.test=x"]
    new = load_recipe(CONFIGS / "kinetics400.yaml", overrides)
    assert changed_keys(old, new) == ["optimizer.epochs (100 → 7)", "seed (0 → 3)"]


@pytest.mark.parametrize("value", [None, False, True])
def test_a_retired_key_is_read_and_told_where_it_was_set(capsys, value):
    model = {} if value is None else {"pretrained_backbone_only": value}
    assert parse_recipe({**LISTS, "model": model}, source="old.yaml") == parse_recipe(LISTS, source="x")
    note = "old.yaml: model.pretrained_backbone_only is read no more: a classifier of other classes is replaced"
    assert (note in capsys.readouterr().err) == bool(value)


def test_recipes_lists_and_pickles_do_not_need_paddle():
    code = "from pptsn.training import recipe\nfrom pptsn.training.network import weights\n"
    code += "import sys; print('paddle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_change_of_hundreds_of_numbers_is_told_in_short():
    numbers = [f"optimizer.class_weights={[1.0] * 400}"]
    old, new = (load_recipe(CONFIGS / "kinetics400.yaml", overrides) for overrides in ([], numbers))
    assert parse_recipe(new.model_dump(mode="json"), source="x") == new
    (change,) = changed_keys(old, new)
    assert change.startswith("optimizer.class_weights (None → [1.0, 1.0")
    assert len(change) < 150
