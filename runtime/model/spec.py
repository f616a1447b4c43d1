"""What a model is: the facts that every stage after training needs, as one versioned JSON object."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.base.fields import SWITCH, as_fields, exactly, one_of, shortened, wrong_field, wrong_names
from pptsn.runtime.frames.preprocess import RESIZE_RULES
from pptsn.runtime.frames.protocols import LEAST_S, LONGEST_WINDOW_S, Protocol, StreamProtocol
from pptsn.runtime.frames.sampling import SAMPLING_RULES
from pptsn.runtime.frames.views import VIEW_PLANS

FORMAT_VERSION = 4
# What the deployment graph takes, (N, S, S, 3) uint8, and gives, (N, C) and (N, D) float32, by their names.
CROPS, LOGITS, FEATURES = "crops", "logits", "features"
# The networks that a spec can name, and the depths that each comes in.
RESNET_VD = "pptsn-resnet_vd"
DEPTHS = (18, 34, 50, 101, 152, 200)
ARCHITECTURES = {RESNET_VD: DEPTHS}
PRECISIONS = ("fp32", "fp16", "int8")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_DIGEST = Meta(min_length=64, max_length=64, pattern="^[0-9a-fA-F]*$", description="64 hexadecimal digits")
# What a spec may ask for: far more than any network of these takes, and no more than a small device can hold.
MOST_CLASSES, LONGEST_LABEL = 65_536, 200
LARGEST_SIDE, MOST_SEGMENTS, MOST_FEATURES = 1024, 1000, 65_536
_SINCE_VERSION_3 = ("segments", "views", "sampling", "temperature")
# Each field of StreamProtocol has one in a spec, of this name.
_OF_STREAMS = {field.name: f"stream_{field.name}" for field in dataclasses.fields(StreamProtocol)}
# What a spec of before has: nothing of streams, no features.
_SINCE_VERSION_4: dict[str, Any] = dict.fromkeys(_OF_STREAMS.values()) | {"features": 0}
# As JSON.
MOST_SPEC_BYTES = 4_000_000
_FRAMES = Meta(gt=0, le=MOST_SEGMENTS, description=f"1 to {MOST_SEGMENTS}")
_WINDOW = Meta(ge=LEAST_S, le=LONGEST_WINDOW_S, description=f"{LEAST_S} to {LONGEST_WINDOW_S:.0f} seconds")
_PIXELS = Meta(gt=0, le=LARGEST_SIDE, description=f"1 to {LARGEST_SIDE} pixels")
_Label = Annotated[str, Meta(max_length=LONGEST_LABEL)]
# Bounds that no mean or deviation of colours comes near, and that NaN is not in.
_Mean = Annotated[float, Meta(ge=-1000, le=1000)]
_Deviation = Annotated[float, Meta(ge=1e-6, le=1000)]
_READABLE_VERSIONS = (1, 2, 3, FORMAT_VERSION)
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
    features: size of the pooled vector before the classifier, which the deployment graph gives beside the logits;
        0 where it gives logits alone, as graphs of older releases do.
    mean, std: of RGB in 0..1, subtracted and divided inside the graph.
    num_seg: frames a clip in training.
    segments, views, sampling: how clips are looked at where nobody says otherwise: frames of each, crops of them
        (a name in VIEW_PLANS), which frames (one in SAMPLING_RULES).
    stream_window_s, stream_segments, stream_views: how streams are, see `StreamProtocol`; None says nothing of it.
    temperature: what a clip's logits are divided by before they become scores, see `runtime.evaluate.calibration`.
    precision: of the weights and activations, one of PRECISIONS.
    weights_digest: SHA-256 of the trained parameters, the same in every file made from them.
    """

    depth: Annotated[int, Meta(gt=0, description="a positive number of layers")]
    labels: Annotated[
        tuple[_Label, ...],
        Meta(
            min_length=1,
            max_length=MOST_CLASSES,
            description=f"a list of 1 to {MOST_CLASSES} class names of at most {LONGEST_LABEL} characters",
        ),
    ]
    weights_digest: Annotated[str, _DIGEST]
    architecture: Annotated[str, one_of(ARCHITECTURES)] = RESNET_VD
    short_side: Annotated[int, _PIXELS] = 256
    crop_size: Annotated[int, _PIXELS] = 224
    mirror: Annotated[bool, SWITCH] = False
    features: Annotated[int, Meta(ge=0, le=MOST_FEATURES, description=f"0 to {MOST_FEATURES}")] = 0
    resize_rule: Annotated[str, one_of(RESIZE_RULES)] = "fixed_ratio"
    mean: Annotated[tuple[_Mean, _Mean, _Mean], Meta(description="three numbers")] = IMAGENET_MEAN
    std: Annotated[tuple[_Deviation, _Deviation, _Deviation], Meta(description="three positive numbers")] = (
        IMAGENET_STD
    )
    num_seg: Annotated[int, _FRAMES] = 3
    segments: Annotated[int, _FRAMES] = 25
    views: Annotated[str, one_of(VIEW_PLANS)] = "ten"
    sampling: Annotated[str, one_of(SAMPLING_RULES)] = "centre"
    stream_window_s: Annotated[float, _WINDOW] | None = None
    stream_segments: Annotated[int, _FRAMES] | None = None
    stream_views: Annotated[str, one_of(VIEW_PLANS)] | None = None
    temperature: Annotated[float, Meta(ge=0.01, le=100, description="0.01 to 100")] = 1.0
    precision: Annotated[str, one_of(PRECISIONS)] = "fp32"
    format_version: Annotated[int, exactly(FORMAT_VERSION)] = FORMAT_VERSION

    def __post_init__(self) -> None:
        if wrong := wrong_field(self):
            raise ModelError("model spec", wrong)
        try:
            "".join(self.labels).encode()
        except UnicodeEncodeError as error:  # JSON's \u can spell halves of characters, which nothing can write
            raise ModelError("model spec", "labels hold a half of a character, expected text") from error
        if self.depth not in ARCHITECTURES[self.architecture]:
            expected = f"one of {ARCHITECTURES[self.architecture]} for {self.architecture}"
            raise ModelError("model spec", f"depth is {shortened(self.depth)}, expected {expected}")
        if self.crop_size > self.short_side:
            raise ModelError("model spec", f"crop_size {self.crop_size} exceeds short_side {self.short_side}")
        try:
            StreamProtocol(**self.said_of_streams)
        except UsageError as error:
            raise ModelError("model spec", f"stream_window_s {error.cause}") from error

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.labels)

    @property
    def outputs(self) -> dict[str, int]:
        """What the deployment graph gives of each crop, in its order: names, each with the width of a row."""
        return {LOGITS: self.classes} | ({FEATURES: self.features} if self.features else {})

    @property
    def protocol(self) -> Protocol:
        """How the model looks at clips where nobody says otherwise."""
        return Protocol(
            sampling=self.sampling, resize_rule=self.resize_rule, segments=self.segments, views=self.views
        )

    @property
    def said_of_streams(self) -> dict[str, Any]:
        """What the model says of how streams are looked at, by the names of StreamProtocol's fields."""
        said = {name: getattr(self, of_spec) for name, of_spec in _OF_STREAMS.items()}
        return {name: value for name, value in said.items() if value is not None}

    def to_json(self) -> str:
        """Return the spec as JSON text, of the oldest version that can say the same from version 3 on.

        So releases of before there were features and settings of streams read what has neither, and refuse the
        rest by its version.
        """
        values = dataclasses.asdict(self)
        if all(values[name] == nothing for name, nothing in _SINCE_VERSION_4.items()):
            values = {name: value for name, value in values.items() if name not in _SINCE_VERSION_4}
            values["format_version"] = 3
        return json.dumps(values, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, *, source: object) -> ModelSpec:
        """Read a spec that `to_json` wrote, of this version or an older one; `source` names it in errors.

        Raises ModelError for damaged text, unknown or missing fields, values out of range, and for versions and
        architectures that this program does not know.
        """
        if len(text) > MOST_SPEC_BYTES:
            raise ModelError(
                source, f"its model spec has {len(text)} bytes, expected {MOST_SPEC_BYTES} at most", _REMEDY
            )
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(source, f"its model spec is no JSON ({error})", _REMEDY) from error
        if not isinstance(values, dict):
            raise ModelError(source, "its model spec is no JSON object", _REMEDY)
        _check_version(values.get("format_version"), source)
        values = _of_this_version(values)
        _check_architecture(values.get("architecture", RESNET_VD), source)
        if wrong := wrong_names(cls, values):
            raise ModelError(source, f"its model spec {wrong}", _REMEDY)
        try:
            return cls(**as_fields(values))
        except ModelError as error:
            raise ModelError(source, f"its {error.thing}: {error.cause}", _REMEDY) from error


def _check_version(version: object, source: object) -> None:
    if type(version) is not int:
        cause = f"its model spec has format_version {shortened(version)}, expected a number"
        raise ModelError(source, cause, _REMEDY)
    if version not in _READABLE_VERSIONS:
        readable = f"{_READABLE_VERSIONS[0]} to {FORMAT_VERSION}"
        cause = f"its model spec has format version {shortened(version)}, this program reads versions {readable}"
        raise ModelError(source, cause, _OTHER_RELEASE)


def _of_this_version(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a spec of any readable version as this version has them."""
    version = values["format_version"]
    if version == 1 and "architecture" not in values:  # when there was one network
        values = values | {"architecture": RESNET_VD}
    if version < 3:  # when every model was run as in the published inference
        values = {name: getattr(ModelSpec, name) for name in _SINCE_VERSION_3} | values
    if version < 4:  # some of version 3 have these fields, of before there was a 4
        values = _SINCE_VERSION_4 | values
    return values | {"format_version": FORMAT_VERSION}


def _check_architecture(architecture: object, source: object) -> None:
    """Refuse an architecture by its own message: such a spec is most likely a later release's."""
    if isinstance(architecture, str) and architecture not in ARCHITECTURES:
        known = f"this program knows {', '.join(ARCHITECTURES)}"
        raise ModelError(
            source, f"its model spec names the architecture {shortened(architecture)}, {known}", _OTHER_RELEASE
        )
