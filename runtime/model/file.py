"""Model files: opened once, checked to have arrived whole, and sealed with what they say of themselves.

An ONNX file is one protocol-buffers message (onnx.proto, ModelProto).  Its metadata, text by key, holds the spec,
how an INT8 model was quantized, what it can be proven by, and a digest of every byte of the file but the digest's
own entry: so weights, graph, spec, labels and reference are all protected by it.  A TensorRT plan is opaque; its
manifest beside it says as much.

What is given to an engine, verified, converted or measured goes through `ModelFile.open`, which reads and hashes
the file in one pass; whoever writes a model seals it by `sealed`.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.frames.protocols import PUBLISHED, Protocol
from pptsn.runtime.model.contents import unfit_content
from pptsn.runtime.model.kinds import MODEL, PLAN, refuse_others
from pptsn.runtime.model.manifest import PLAN_SUFFIX, Manifest, read_manifest, read_plan
from pptsn.runtime.model.protobuf import Field, bytes_field, fields
from pptsn.runtime.model.reference import Reference
from pptsn.runtime.model.spec import ModelSpec

_SPEC_KEY, _DIGEST_KEY = "pptsn.spec", "pptsn.digest"
# How an INT8 model was quantized, as a JSON object; other models have none.
_QUANTIZATION_KEY = "pptsn.quantization"
# What any build of it can be proven by, as JSON; files of older releases have none.
_REFERENCE_KEY = "pptsn.reference"

_METADATA_PROPS = 14  # ModelProto.metadata_props: StringStringEntryProto {1: key, 2: value}
_KEY, _VALUE = 1, 2
_SUFFIX = ".onnx"
_REMEDY = "copy the file again, or convert the model again"
_TARGETS = ("tensorrt", "cpu")
_MOST_JSON_BYTES = 4_000_000


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file that was read and found whole.

    path: as it was given.
    spec: what the model is; its labels are in it.
    sha256: of the file's bytes, in hexadecimal.
    quantization: how an INT8 model was quantized; None for others and for plans.
    manifest: of a plan; None for other files.
    content: the bytes that were checked, where they were to be kept.
    reference_json: of an ONNX file, its reference as it was written; see `reference`.
    """

    path: Path
    spec: ModelSpec
    sha256: str
    quantization: dict[str, Any] | None = None
    manifest: Manifest | None = None
    content: bytes = field(default=b"", repr=False)
    reference_json: bytes | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: str | Path, *, keep_content: bool = False) -> ModelFile:
        """Read the file at `path`: a plan if its name says so, else a deployment graph as an ONNX file.

        keep_content: keep the bytes, so that what was checked is what is worked on; for a plan they always are.
        Raises ModelError for a file that is missing, truncated, altered, or no model of PP-TSN.
        """
        path = Path(path)
        if path.suffix.lower() == PLAN_SUFFIX:
            refuse_others(path, PLAN)
            return cls.open_plan(path)
        if keep_content:
            with _reading(path):
                content = path.read_bytes()
                return _from_onnx(path, content, content)
        with (
            _reading(path),
            open(path, "rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            return _from_onnx(path, mapped)

    @classmethod
    def open_plan(cls, path: str | Path) -> ModelFile:
        """Read the plan at `path`, whatever its name, and its manifest; errors as `open`."""
        manifest = read_manifest(path)
        content = read_plan(path, manifest)
        return cls(
            path=Path(path),
            spec=manifest.spec,
            sha256=manifest.plan_sha256,
            manifest=manifest,
            content=content,
        )

    @property
    def quantized_for(self) -> str | None:
        """What an INT8 graph was quantized for: "tensorrt", "cpu"; None for other models."""
        return (self.quantization or {}).get("target")

    @property
    def reference(self) -> Reference | None:
        """What the file carries to be proven by; None where it carries nothing, as those of older releases.

        Raises ModelError for what no release wrote.
        """
        if self.manifest is not None:
            return self.manifest.reference
        if self.reference_json is None:
            return None
        return Reference.from_json(self.reference_json, source=self.path)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What an ONNX file says of itself; whether it is true, and the file whole, only `ModelFile.open` finds out.

    spec, quantization: as in ModelFile.  digest: of its content, in hexadecimal.
    """

    spec: ModelSpec
    digest: str
    quantization: dict[str, Any] | None = None


def claims_of(path: Path) -> Claims:
    """Read what the ONNX file at `path` says of itself, in a millisecond; raises ModelError if nothing."""
    with (
        _reading(path),
        open(path, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        metadata = dict(_read_entry(view, part) for part in fields(view) if part.number == _METADATA_PROPS)
    _require_spec(path, metadata)
    return Claims(
        spec=ModelSpec.from_json(metadata[_SPEC_KEY], source=path),
        digest=metadata.get(_DIGEST_KEY, b"").decode(errors="replace"),
        quantization=_quantization(path, metadata.get(_QUANTIZATION_KEY)),
    )


def digest_of(path: str | Path) -> str:
    """Return by what the model at `path` is known, in hexadecimal: the digest it carries, or that of its bytes.

    "" for what has neither, as a folder that a plugin runs; what is wrong with it is for who opens it to say.
    """
    path = Path(path)
    try:
        return read_manifest(path).plan_sha256 if path.suffix.lower() == PLAN_SUFFIX else claims_of(path).digest
    except PptsnError:
        with suppress(OSError):
            return sha256_of(path)
        return ""


def spec_of(path: str | Path) -> ModelSpec | None:
    """Return what the model at `path` says that it is, without opening it; None where it does not say.

    What is wrong with the file is for who opens it to say.
    """
    path = Path(path)
    try:
        return read_manifest(path).spec if path.suffix.lower() == PLAN_SUFFIX else claims_of(path).spec
    except PptsnError:
        return None


def protocol_of(path: str | Path) -> Protocol:
    """Return how the model at `path` looks at clips, without opening it; as published where it does not say."""
    spec = spec_of(path)
    return PUBLISHED if spec is None else spec.protocol


def sealed(
    model: bytes,
    spec: ModelSpec,
    *,
    quantization: dict[str, Any] | None = None,
    reference: Reference | None = None,
) -> bytes:
    """Return the serialized ModelProto `model` with its metadata replaced by what is given and a digest of it all.

    quantization: how an INT8 model was made, as JSON values.
    reference: what it can be proven by.
    """
    metadata = {_SPEC_KEY: spec.to_json()}
    if quantization is not None:
        metadata[_QUANTIZATION_KEY] = json.dumps(quantization)
    if reference is not None:
        metadata[_REFERENCE_KEY] = reference.to_json()
    with memoryview(model) as view:
        parts = [bytes(view[f.start : f.end]) for f in fields(view) if f.number != _METADATA_PROPS]
    body = b"".join([*parts, *(_entry(key, text) for key, text in metadata.items())])
    return body + _entry(_DIGEST_KEY, hashlib.sha256(body).hexdigest())


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the system and the walk say of a file that is no ONNX model into a ModelError."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ModelError(path, "is no regular file", "name an .onnx file")
        refuse_others(path, MODEL)
        yield
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})", "name an .onnx file") from error
    except ValueError as error:
        remedy = _REMEDY if path.suffix.lower() == _SUFFIX else f"name an {_SUFFIX} file"
        if not path.stat().st_size:  # what cannot be mapped says so by a ValueError, too
            raise ModelError(path, "is empty (0 bytes)", remedy) from error
        raise ModelError(path, f"is no ONNX model, or a damaged one ({error})", remedy) from error


def _from_onnx(path: Path, data: bytes | mmap.mmap, content: bytes = b"") -> ModelFile:
    with memoryview(data) as view:
        metadata, digest, sha256 = _scan(view)
        unfit = unfit_content(view)
    _require_spec(path, metadata)
    if unfit:
        raise ModelError(
            path, f"{unfit}, as no model of PP-TSN does", "convert the model again by: pptsn convert onnx"
        )
    if metadata.get(_DIGEST_KEY) != digest.encode():
        raise ModelError(path, "is damaged: its content does not match the digest it carries", _REMEDY)
    return ModelFile(
        path=path,
        spec=ModelSpec.from_json(metadata[_SPEC_KEY], source=path),
        sha256=sha256,
        quantization=_quantization(path, metadata.get(_QUANTIZATION_KEY)),
        content=content,
        reference_json=metadata.get(_REFERENCE_KEY),
    )


def _require_spec(path: Path, metadata: dict[str, bytes]) -> None:
    if _SPEC_KEY not in metadata:
        cause = f"is no PP-TSN model: its metadata has no {_SPEC_KEY}"
        raise ModelError(path, cause, "make one by: pptsn convert onnx")


def _scan(view: memoryview) -> tuple[dict[str, bytes], str, str]:
    """Return a ModelProto's metadata, the SHA-256 of all but its digest entry, and that of all, in one pass.

    The two digests have everything before the entry in common, and `sealed` puts it last.
    """
    metadata: dict[str, bytes] = {}
    protected = whole = hashlib.sha256()
    for part in fields(view):
        key, value = _read_entry(view, part) if part.number == _METADATA_PROPS else ("", b"")
        if key:
            metadata[key] = value
        if key == _DIGEST_KEY and whole is protected:
            whole = protected.copy()
        with view[part.start : part.end] as data:
            if whole is not protected:
                whole.update(data)
            if key != _DIGEST_KEY:
                protected.update(data)
    return metadata, protected.hexdigest(), whole.hexdigest()


def _read_entry(view: memoryview, part: Field) -> tuple[str, bytes]:
    """Return the key and value of a metadata entry."""
    values = {_KEY: b"", _VALUE: b""}
    with view[part.content : part.end] as content:
        for inner in fields(content):
            values[inner.number] = bytes(content[inner.content : inner.end])
    return values[_KEY].decode("utf-8"), values[_VALUE]


def _entry(key: str, value: str) -> bytes:
    content = bytes_field(_KEY, key.encode()) + bytes_field(_VALUE, value.encode())
    return bytes_field(_METADATA_PROPS, content)


def _quantization(path: Path, text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        facts = json.loads(text) if len(text) <= _MOST_JSON_BYTES else None
    except (ValueError, RecursionError) as error:
        raise ModelError(path, f"its {_QUANTIZATION_KEY} is no JSON ({error})", "quantize it again") from error
    if not isinstance(facts, dict) or facts.get("target") not in (None, *_TARGETS):
        expected = f"a JSON object with a target, {' or '.join(_TARGETS)}"
        raise ModelError(path, f"its {_QUANTIZATION_KEY} is not {expected}", "quantize it again")
    return facts
