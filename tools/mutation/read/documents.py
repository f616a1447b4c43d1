"""Documents: recipes, labels, lists, specs, manifests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pptsn.runtime.base.files import read_small
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.model.labels import read_labels
from pptsn.runtime.model.manifest import manifest_path, read_manifest
from pptsn.runtime.model.spec import MOST_SPEC_BYTES, ModelSpec
from pptsn.training.recipe import load_recipe, packaged_recipes
from tools.mutation.read.kind import Kind, mutated

_COUNT = 2500
_SPEC = ModelSpec(depth=18, labels=("archery", "yoga", "zumba"), weights_digest="0" * 64)


def kinds() -> list[Kind]:
    """Return a kind for each parser of documents."""
    return [
        _kind(
            "recipes", ".yaml", lambda: [path.read_bytes() for path in packaged_recipes().values()], load_recipe
        ),
        _kind("labels", ".txt", lambda: [b"archery\nyoga\n", b"0 archery\n1 long jump\n"], read_labels),
        _kind("lists", ".txt", lambda: [b"a.mp4 0\nb c.mp4 1\n" * 9], lambda path: read_list(path, classes=3)),
        _kind("specs", ".json", lambda: [_SPEC.to_json().encode()], _read_spec),
        _kind(
            "manifests", ".engine", lambda: [_SPEC.to_json().encode(), b'{"format_version": 2}'], _read_manifest
        ),
    ]


def _kind(name: str, suffix: str, examples: Callable[[], Sequence[bytes]], read: Callable[[Path], object]) -> Kind:
    return Kind(name, _COUNT, lambda folder: examples(), read, suffix, mutated)


def _read_spec(path: Path) -> ModelSpec:
    return ModelSpec.from_json(read_small(path, MOST_SPEC_BYTES), source=path)


def _read_manifest(path: Path) -> object:
    manifest = manifest_path(path)
    manifest.write_bytes(path.read_bytes())
    try:
        return read_manifest(path)
    finally:
        manifest.unlink()
