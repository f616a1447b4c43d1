"""What a model is: the facts that every stage after training needs, as one versioned JSON object."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.frames.preprocess import RESIZE_RULES

FORMAT_VERSION = 2
# The networks that a spec can name, and the depths that each comes in.
RESNET_VD = "pptsn-resnet_vd"
DEPTHS = (18, 34, 50, 101, 152, 200)
ARCHITECTURES = {RESNET_VD: DEPTHS}
PRECISIONS = ("fp32", "fp16", "int8")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_READABLE_VERSIONS = (1, FORMAT_VERSION)
_REMEDY = "export the model again"
_OTHER_RELEASE = f"install the pptsn release that wrote it, or {_REMEDY}"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The facts of one PP-TSN model.

    architecture: the network, one of ARCHITECTURES.
    depth: of its backbone, one of those that ARCHITECTURES gives it.
    labels: the class names, in class order; their number is the number of classes.
    short_side, resize_rule: how a frame is resized before cropping (pixels; a name in RESIZE_RULES).
    crop_size: side of the square crops that the network takes, in pixels.
    mirror: whether the deployment graph averages each crop with its mirror image.
    mean, std: of RGB in 0..1, subtracted and divided inside the graph.
    num_seg: frames a clip in training.
    precision: of the weights and activations, one of PRECISIONS.
    weights_digest: SHA-256 of the trained parameters, the same in every file made from them.
    """

    depth: int
    labels: tuple[str, ...]
    weights_digest: str
    architecture: str = RESNET_VD
    short_side: int = 256
    crop_size: int = 224
    mirror: bool = False
    resize_rule: str = "fixed_ratio"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    num_seg: int = 3
    precision: str = "fp32"
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for field, (expectation, holds) in _EXPECTED.items():
            value = getattr(self, field)
            if not holds(value):
                raise ModelError("model spec", f"{field} is {_shortened(value)}, expected {expectation}")
        if self.depth not in ARCHITECTURES[self.architecture]:
            expected = f"one of {ARCHITECTURES[self.architecture]} for {self.architecture}"
            raise ModelError("model spec", f"depth is {self.depth}, expected {expected}")
        if self.crop_size > self.short_side:
            raise ModelError("model spec", f"crop_size {self.crop_size} exceeds short_side {self.short_side}")

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.labels)

    def to_json(self) -> str:
        """Return the spec as JSON text."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, *, source: object) -> ModelSpec:
        """Read a spec that `to_json` wrote, of this version or an older one; `source` names it in errors.

        Raises ModelError for damaged text, unknown or missing fields, values out of range, and for versions and
        architectures that this program does not know.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(source, f"its model spec is no JSON ({error})", _REMEDY) from error
        if not isinstance(values, dict):
            raise ModelError(source, "its model spec is no JSON object", _REMEDY)
        _check_version(values.get("format_version"), source)
        values = _of_this_version(values)
        _check_architecture(values.get("architecture", RESNET_VD), source)
        fields = _checked_fields(cls, values, source)
        try:
            return cls(**fields)
        except ModelError as error:
            raise ModelError(source, f"its {error.thing}: {error.cause}", _REMEDY) from error


def _check_version(version: object, source: object) -> None:
    if not _is_int(version):
        cause = f"its model spec has format_version {_shortened(version)}, expected a number"
        raise ModelError(source, cause, _REMEDY)
    if version not in _READABLE_VERSIONS:
        readable = " and ".join(map(str, _READABLE_VERSIONS))
        cause = f"its model spec has format version {version}, this program reads versions {readable}"
        raise ModelError(source, cause, _OTHER_RELEASE)


def _of_this_version(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a spec of any readable version as this version has them."""
    if values["format_version"] == 1 and "architecture" not in values:  # when there was one network
        values = values | {"architecture": RESNET_VD}
    return values | {"format_version": FORMAT_VERSION}


def _check_architecture(architecture: object, source: object) -> None:
    """Refuse an architecture by its own message: such a spec is most likely a later release's."""
    if isinstance(architecture, str) and architecture not in ARCHITECTURES:
        known = f"this program knows {', '.join(ARCHITECTURES)}"
        raise ModelError(
            source, f"its model spec names the architecture {architecture!r}, {known}", _OTHER_RELEASE
        )


def _checked_fields(cls: type[ModelSpec], values: dict[str, Any], source: object) -> dict[str, Any]:
    """Return the constructor's arguments, with JSON's lists as tuples."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - fields)
    missing = sorted(name for name in fields if name not in values)
    if unknown or missing:
        raise ModelError(source, f"its model spec has unknown fields {unknown} and lacks {missing}", _REMEDY)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive_int(value: object) -> bool:
    return _is_int(value) and value > 0  # type: ignore[operator]


def _is_colour(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(isinstance(v, int | float) for v in value)


def _is_labels(value: object) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(v, str) for v in value)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{64}", value) is not None


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "architecture": (f"one of {tuple(ARCHITECTURES)}", lambda v: isinstance(v, str) and v in ARCHITECTURES),
    "depth": ("a positive number of layers", _is_positive_int),
    "labels": ("a list of class names", _is_labels),
    "weights_digest": ("64 hexadecimal digits", _is_digest),
    "short_side": ("a positive number of pixels", _is_positive_int),
    "crop_size": ("a positive number of pixels", _is_positive_int),
    "mirror": ("true or false", lambda v: isinstance(v, bool)),
    "resize_rule": (f"one of {RESIZE_RULES}", lambda v: v in RESIZE_RULES),
    "mean": ("three numbers", _is_colour),
    "std": ("three positive numbers", lambda v: _is_colour(v) and all(x > 0 for x in v)),
    "num_seg": ("a positive number", _is_positive_int),
    "precision": (f"one of {PRECISIONS}", lambda v: v in PRECISIONS),
    "format_version": (str(FORMAT_VERSION), lambda v: v == FORMAT_VERSION),
}
