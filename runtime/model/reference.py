"""What a model file carries to be proven by: a few crops, and the logits that Paddle gave for them.

So a device can tell, without clips and without Paddle, that its build of the file computes what Paddle computed:
see `pptsn.convert.verify.proof`.  An ONNX file has it in its metadata, a plan in its manifest.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.fields import exactly, wrong_field, wrong_names
from pptsn.runtime.frames.picture_size import picture_size
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.stored import decoded_picture
from pptsn.runtime.model.spec import ModelSpec

FORMAT_VERSION = 1
# Of a reference as it is written: what a model file grows by.
MOST_BYTES = 400_000
_MOST_CROPS = 64
# Of one that is read: another release may write more.
_MOST_READ = 10 * MOST_BYTES
_Base64 = Annotated[str, Meta(description="text in base64")]
# What the logits of a crop depend on and what classes are called; not the precision, which conversions change.
_BOUND = (
    "architecture", "depth", "labels", "weights_digest", "short_side", "crop_size", "mirror", "resize_rule",
    "mean", "std",
)  # fmt: skip
_REMEDY = "convert the model again"

_Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Crops and logits as they travel.

    crops_png: N crops of S x S pixels, one below another, as a PNG in base64.
    paddle_logits: (N, C) float32, little-endian, in base64: what Paddle gave for them; with the spec's `mirror`,
        the mean over each crop and its mirror image.
    unrounded_logits: of an INT8 file, in the same form: what it gives where activations are not rounded, which
        tells its constants without the noise of INT8; None for others.
    error: the largest normalised error of an answer of the file, rounding and all, against Paddle's, as it was
        found when the file was converted.
    spec_digest: of the spec that they were made for; see `made_for`.
    """

    crops_png: _Base64
    paddle_logits: _Base64
    spec_digest: str
    unrounded_logits: _Base64 | None = None
    error: Annotated[float, Meta(ge=0)] = 0.0
    format_version: Annotated[int, exactly(FORMAT_VERSION)] = FORMAT_VERSION

    def __post_init__(self) -> None:
        if wrong := wrong_field(self):
            raise ModelError("reference", wrong)

    @classmethod
    def of(cls, crops: Frame, logits: _Logits, spec: ModelSpec, *, error: float = 0.0) -> Reference:
        """Return the reference of a model: `crops` (N, S, S, 3) uint8 RGB and Paddle's `logits` (N, C) float32."""
        return cls(
            crops_png=_png(crops),
            paddle_logits=_packed(logits),
            spec_digest=_digest(spec),
            error=error,
        )

    def with_own(self, *, error: float, unrounded: _Logits | None) -> Reference:
        """Return the reference for a file made from the one that carried this; see the fields."""
        own = None if unrounded is None else _packed(unrounded)
        return dataclasses.replace(self, error=error, unrounded_logits=own)

    def made_for(self, spec: ModelSpec) -> bool:
        """Whether `spec` is the one that the reference was made for, in any precision."""
        return self.spec_digest == _digest(spec)

    def crops(self, spec: ModelSpec, *, source: object) -> Frame:
        """Return the crops (N, S, S, 3) uint8 RGB; raises ModelError, naming `source`, where they are none."""
        size = spec.crop_size
        content = _bytes(self.crops_png, source)
        width, height = picture_size(content) or (0, 0)
        fits = width == size and height <= _MOST_CROPS * size
        picture = decoded_picture(content, thing=source).pixels if fits else None
        if picture is None or picture.shape[1] != size or len(picture) % size:
            raise ModelError(source, f"the crops of its reference are none of {size} px", _REMEDY)
        return picture.reshape(-1, size, size, 3)

    def paddle(self, spec: ModelSpec, *, source: object) -> _Logits:
        """Return Paddle's logits (N, C); raises ModelError, naming `source`, where they are none."""
        return _unpacked(self.paddle_logits, spec, source)

    def unrounded(self, spec: ModelSpec, *, source: object) -> _Logits | None:
        """Return the file's own logits (N, C) without rounding of activations, or None; errors as `paddle`."""
        return None if self.unrounded_logits is None else _unpacked(self.unrounded_logits, spec, source)

    def to_json(self) -> str:
        """Return the reference as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, *, source: object) -> Reference:
        """Read what `to_json` wrote; raises ModelError, naming `source`, for other text and other versions."""
        if len(text) > _MOST_READ:
            raise ModelError(
                source, f"its reference has {len(text)} bytes, expected {_MOST_READ} at most", _REMEDY
            )
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(source, f"its reference is no JSON ({error})", _REMEDY) from error
        return cls.from_values(values, source=source)

    @classmethod
    def from_values(cls, values: Any, *, source: object) -> Reference:
        """Make a reference of JSON's values; errors as `from_json`."""
        if not isinstance(values, dict):
            raise ModelError(source, "its reference is no JSON object", _REMEDY)
        version = values.get("format_version")
        if version != FORMAT_VERSION:
            cause = f"its reference has format version {version!r}, this program reads version {FORMAT_VERSION}"
            raise ModelError(source, cause, f"install the pptsn release that wrote it, or {_REMEDY}")
        if wrong := wrong_names(cls, values):
            raise ModelError(source, f"its reference {wrong}", _REMEDY)
        try:
            return cls(**values)
        except ModelError as error:
            raise ModelError(source, f"its {error.thing}: {error.cause}", _REMEDY) from error


def _digest(spec: ModelSpec) -> str:
    """Return the SHA-256 of what the reference depends on, as JSON in one fixed spelling."""
    values = {name: getattr(spec, name) for name in _BOUND}
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _png(crops: Frame) -> str:
    import cv2

    size = crops.shape[1]
    column = np.ascontiguousarray(crops.reshape(-1, size, 3)[..., ::-1])
    done, png = cv2.imencode(".png", column, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise ValueError(f"crops {crops.shape} could not be written as a PNG")
    return base64.b64encode(png.tobytes()).decode()


def _packed(logits: _Logits) -> str:
    return base64.b64encode(logits.astype("<f4").tobytes()).decode()


def _unpacked(text: str, spec: ModelSpec, source: object) -> _Logits:
    content = _bytes(text, source)
    if not content or len(content) % (4 * spec.classes):
        cause = f"the logits of its reference, {len(content)} bytes, are none of {spec.classes} classes"
        raise ModelError(source, cause, _REMEDY)
    return np.frombuffer(content, "<f4").astype(np.float32).reshape(-1, spec.classes)


def _bytes(text: str, source: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelError(source, f"its reference is no base64 ({error})", _REMEDY) from error
