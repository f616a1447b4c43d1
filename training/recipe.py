"""The recipe of a training run: typed, from YAML, with overrides from the command line."""

from __future__ import annotations

import difflib
import importlib.resources
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError, install_command
from pptsn.runtime.base.files import read_small
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.model.spec import ARCHITECTURES
from pptsn.runtime.video.names import some_of

try:
    import yaml
    from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

    from pptsn.training.sections import (
        AugmentationSection,
        CudnnSection,
        DataSection,
        DistillationSection,
        EvaluationSection,
        ModelSection,
        OptimizerSection,
        Section,
        StreamSection,
    )
    from pptsn.training.yaml_text import MOST_CHARACTERS, read_yaml
except ImportError as error:
    raise MissingDependencyError(
        error.name or "pydantic", "recipes need pydantic and PyYAML", f"run: {install_command('recipes')}"
    ) from error

# The recipe in the folder of a run, defaults included.
RECIPE_NAME = "recipe.yaml"
# What may differ between ranks, because the weights do not depend on it.  Their last bits do on cuDNN's kernels,
# but another card may lack the memory.
NEUTRAL_AMONG_RANKS = (
    "data.workers", "data.test", "evaluation.", "stream.", "optimizer.patience", "cudnn.", "tensorboard",
)  # fmt: skip
# What may differ between a run and its resumption.  A folder of soft labels may have been on a disk that was full.
NEUTRAL = (*NEUTRAL_AMONG_RANKS, "distillation.soft_labels")
# Keys of older recipes that are read and mean nothing any more, by section, with what takes their place.
_RETIRED = {"model": {"pretrained_backbone_only": "a classifier of other classes is replaced without being asked"}}


class Recipe(Section):
    """A whole training run.

    seed: decides weights, order and augmentation.  device: auto, cpu, cuda or cuda:N.
    amp: automatic mixed precision, on GPUs only: O1 (or true) casts what gains by it; O2 has the weights in 16
    bits as well, with masters in FP32.  amp_type: its 16-bit type.
    log_every: iterations between lines of `metrics.jsonl`.
    tensorboard: whether the same goes into an event file for TensorBoard.
    """

    data: DataSection
    model: ModelSection = ModelSection()
    optimizer: OptimizerSection = OptimizerSection()
    augmentation: AugmentationSection = AugmentationSection()
    distillation: DistillationSection = DistillationSection()
    evaluation: EvaluationSection = EvaluationSection()
    stream: StreamSection = StreamSection()
    cudnn: CudnnSection = CudnnSection()
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    amp: Literal[False, "O1", "O2"] = False
    amp_type: Literal["float16", "bfloat16"] = "float16"
    log_every: int = Field(default=20, ge=1, lt=2**31)
    tensorboard: bool = False

    @field_validator("amp", mode="before")
    @classmethod
    def _level_of(cls, amp: object) -> object:
        return "O1" if amp is True else amp

    @model_validator(mode="after")
    def _known_depth_of_a_second_network(self) -> Recipe:
        depth, depths = self.distillation.mutual_depth, ARCHITECTURES[self.model.architecture]
        if depth is not None and depth not in depths:
            expected = f"one of {', '.join(map(str, depths))}"
            raise ValueError(f"distillation.mutual_depth is {depth}, expected {expected}")
        return self

    @model_validator(mode="after")
    def _a_head_alone_takes_no_steps(self) -> Recipe:
        of_steps = {
            "distillation.teacher": self.distillation.teacher,
            "distillation.mutual_depth": self.distillation.mutual_depth,
            "optimizer.ema_decay": self.optimizer.ema_decay,
            "model.precise_batch_norm": self.model.precise_batch_norm,
            "model.freeze": self.model.freeze,
            "model.sync_batch_norm": self.model.sync_batch_norm,
            "amp": self.amp,
        }
        asked = [key for key, value in of_steps.items() if value]
        if self.model.head_only and asked:
            those = " and ".join(asked)
            raise ValueError(f"model.head_only takes no steps, which {those} would change; {_turning_off(asked)}")
        return self

    @model_validator(mode="after")
    def _folds_are_quick(self) -> Recipe:
        if self.data.folds and not self.model.head_only:
            raise ValueError(
                "data.folds would take a whole training for each fold; fit the classifier alone (--head-only), or "
                "name data.val in its place"
            )
        return self

    @model_validator(mode="after")
    def _rounds_in_full_precision(self) -> Recipe:
        if self.amp and self.model.int8:
            raise ValueError("model.int8 rounds in FP32, and amp is set; set amp=false, or leave model.int8 out")
        return self

    def to_yaml(self) -> str:
        """Return the recipe, defaults included, as YAML that `load_recipe` reads."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return text


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe; `overrides` are `section.key=value` with values in YAML.

    path: a YAML file; or, where there is none of that name, the name of a recipe that comes with pptsn, as "demo".
    Raises InputError where the file cannot be read, UsageError (one line, naming the key) for unknown keys,
    values out of range, and overrides of another form.
    """
    path = _recipe_file(path)
    if os.path.isdir(path):  # noqa: PTH112 - as in `_is_there`
        remedy = f"of a folder with one folder of clips a class, make one: pptsn data folder {path} -o FOLDER"
        raise InputError(path, "is a folder, expected a recipe", remedy)
    try:
        text = read_small(path, 4 * MOST_CHARACTERS).decode("utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", _remedy()) from error
    except UnicodeDecodeError as error:
        raise UsageError(path, "is no UTF-8 text", _remedy()) from error
    try:
        values = read_yaml(text)
    except ValueError as error:
        raise UsageError(path, f"is no YAML ({error})", _remedy()) from error
    if not isinstance(values, dict):
        raise UsageError(path, "holds no sections", _remedy())
    for override in overrides:
        _override(values, override)
    recipe = parse_recipe(values, source=path)
    _say_where_paths_begin(recipe, path)
    return recipe


def parse_recipe(values: dict[str, Any], *, source: object) -> Recipe:
    """Return the recipe that `values` describe; `source` names them in errors.  Raises UsageError."""
    try:
        return Recipe.model_validate(_without_retired(values, source))
    except ValidationError as error:
        problems = error.errors()
        unknown = [p for p in problems if p["type"] == "extra_forbidden"]
        first = (unknown or problems)[0]
        cause, remedy = _explained(first)
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise UsageError(source, cause + more, remedy) from error


def changed_keys(old: Recipe, new: Recipe, *, neutral: tuple[str, ...] = NEUTRAL) -> list[str]:
    """Return `key (old value → new value)` for what differs, leaving out keys that begin as one of `neutral`."""
    before, after = dict(_flat(old.model_dump(mode="json"))), dict(_flat(new.model_dump(mode="json")))
    differing = [key for key in after if before.get(key) != after[key] and not key.startswith(neutral)]
    return [f"{key} ({_told(before.get(key))} → {_told(after[key])})" for key in differing]


def _say_where_paths_begin(recipe: Recipe, path: Path) -> None:
    """Print a note where files that `recipe`, read from `path`, names are missing here and lie beside it."""
    data = recipe.data
    named = (data.labels, data.train, data.val, data.test, data.folds)
    beside = {str(name) for name in named if name and not _is_there(name) and _is_there(path.parent / name)}
    if beside:
        where = f"{some_of(sorted(beside))} beside it is not in the working folder, where its paths begin"
        print_note(f"{path}: {where}; run the command in {path.parent}, or write whole paths")


def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - a Path raises OSError for a name that no file can have


def _told(value: object) -> str:
    """Return a value as it stands in errors: lists may have a number for each of hundreds of classes."""
    return _shortened(str(value)) if isinstance(value, list) else str(value)


def _without_retired(values: dict[str, Any], source: object) -> dict[str, Any]:
    """Return `values` without retired keys; those that were set are named."""
    kept = dict(values)
    for name, keys in _RETIRED.items():
        section = kept.get(name)
        if not isinstance(section, dict):
            continue
        kept[name] = {key: value for key, value in section.items() if key not in keys}
        for key in keys:
            if section.get(key):  # runs have recorded the default
                print_note(f"{source}: {name}.{key} is read no more: {keys[key]}")
    return kept


def packaged_recipes() -> dict[str, Path]:
    """Return the files of the recipes that come with pptsn, by name."""
    folder = Path(str(importlib.resources.files("pptsn"))) / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _recipe_file(path: str | Path) -> Path:
    name, path = str(path), Path(path)
    if _is_there(path) or path.suffix or path.name != name:
        return path
    return packaged_recipes().get(name, path)


def _remedy() -> str:
    return f"name a YAML file, or a recipe that comes with pptsn: {', '.join(packaged_recipes())}"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _shown(value: object) -> str:
    try:
        return _shortened(repr(value))
    except ValueError:  # Python spells out no integer of thousands of digits
        return "a number without end"


def _override(values: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in `values`."""
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise UsageError(f"--set {_shortened(override)}", "expected KEY=VALUE, as in optimizer.epochs=5")
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise UsageError(f"--set {_shortened(override)}", f"its value is no YAML ({error})", "quote it") from error
    section = values
    for name in names[:-1]:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
        if not isinstance(section, dict):
            raise UsageError(f"--set {_shortened(override)}", f"{name} is no section", _near(key))
    section[names[-1]] = value


def _explained(problem: Any) -> tuple[str, str]:
    """Return cause and remedy for one entry of pydantic's list."""
    key = _shortened(".".join(map(str, problem["loc"])))
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}", _near(key)
    if problem["type"] == "missing":
        return f"{key} is missing", f"add it, or pass --set {key}=..."
    message, _, remedy = str(problem["msg"]).removeprefix("Value error, ").partition("; ")
    value = problem["input"]
    shown = "" if isinstance(value, dict) else f" is {_shown(value)}"
    where = f"{key}{shown}: " if key else ""
    return f"{where}{message[:1].lower()}{message[1:]}", remedy or "correct it"


def _turning_off(keys: Sequence[str]) -> str:
    """Return how `keys`, which a recipe that comes with pptsn may set, are turned off."""
    off = {"amp": "false", "model.sync_batch_norm": "false"}
    return " ".join(f"--set {key}={off.get(key, 'null')}" for key in keys) + " turns that off"


def _near(key: str) -> str:
    """Return a remedy that names the known keys closest to `key`."""
    known = list(_known_keys(Recipe))
    by_last_part = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    near = by_last_part or difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    section = key.partition(".")[0] + "."
    beside = [name for name in known if name.startswith(section)] or [*Recipe.model_fields]
    return f"known are {', '.join(beside)}"


def _known_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _known_keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def _flat(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield (dotted key, value) of nested sections."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
