"""What is given in the place of something else is called what it is, with the way to what was asked for."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from shlex import quote

import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.kinds import CHECKPOINT, EXPORT, MODEL, PART, PLAN, RUN, kind_of, refuse_others
from tests.models import write_tiny_model

KINDS = (CHECKPOINT, RUN, EXPORT, PART, MODEL, PLAN)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Return what is of each kind, under the names that such things have, and under others."""
    folder = tmp_path_factory.mktemp("things")
    model = write_tiny_model(folder / "m.onnx").read_bytes()
    checkpoint, plan = pickle.dumps({"a": 1.0}, 2), b"ftrt" + bytes(100)
    contents = {CHECKPOINT: checkpoint, MODEL: model, PLAN: plan}
    names = ("a.pdparams", "b.onnx", "c.engine", "d")
    made: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for number, (kind, content) in enumerate(contents.items()):
        for name in names:
            path = folder / f"{number}{name}"
            path.write_bytes(content)
            made[kind].append(path)
    for kind, name, file in ((RUN, "run", "best.pdparams"), (EXPORT, "export", "spec.json")):
        (folder / name).mkdir()
        (folder / name / file).touch()
        made[kind].append(folder / name)
    for name in ("model.pdiparams", "model.pdmodel"):
        (folder / "export" / name).write_bytes(bytes(100))
        made[PART].append(folder / "export" / name)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_by_its_content_whatever_its_name(things: dict[str, list[Path]], kind: str) -> None:
    assert [kind_of(path) for path in things[kind]] == [kind] * len(things[kind])


def test_the_name_tells_where_the_content_does_not(tmp_path: Path) -> None:
    for name, kind in [("a.pdparams", CHECKPOINT), ("a.ONNX", MODEL), ("a.engine", PLAN), ("a.txt", None)]:
        (tmp_path / name).write_bytes(b"")
        assert kind_of(tmp_path / name) == kind
    os.mkfifo(tmp_path / "pipe.onnx")
    assert [kind_of(tmp_path / name) for name in ("pipe.onnx", "absent.onnx", ".")] == [None, None, None]


@pytest.mark.parametrize("expected", [CHECKPOINT, EXPORT, MODEL, PLAN])
@pytest.mark.parametrize("found", KINDS)
def test_every_kind_is_refused_in_the_place_of_every_other(
    things: dict[str, list[Path]], found: str, expected: str
) -> None:
    for path in things[found]:
        if found == expected:
            refuse_others(path, expected)
            continue
        with pytest.raises(ModelError) as refused:
            refuse_others(path, expected)
        line = str(refused.value)
        assert line.startswith(f"{path}: is {found}, expected {expected}; ")
        assert line.rpartition("; ")[2].startswith(("make one by: pptsn ", "give ", "call it "))


def test_the_way_leads_to_what_was_asked_for(things: dict[str, list[Path]]) -> None:
    (run,), (export,), checkpoint = things[RUN], things[EXPORT], things[CHECKPOINT][0]
    ways = {
        (run, CHECKPOINT): f"give {run}/best.pdparams",
        (run, EXPORT): f"make one by: pptsn export --weights {quote(f'{run}/best.pdparams')} -o EXPORT",
        (checkpoint, EXPORT): f"make one by: pptsn export --weights {quote(str(checkpoint))} -o EXPORT",
        (export, MODEL): f"make one by: pptsn convert onnx {quote(str(export))} -o M.onnx",
        (things[PART][0], CHECKPOINT): "give the .pdparams file that it was made of",
        (things[PART][0], EXPORT): f"give its folder, {export}",
        (things[PART][1], MODEL): f"make one by: pptsn convert onnx {quote(str(export))} -o M.onnx",
        (things[MODEL][3], CHECKPOINT): "give the .pdparams file that it was made of",
        (things[MODEL][2], PLAN): "call it .onnx, or build one by: ",
        (things[PLAN][1], MODEL): "give the .onnx file that it was built from, or call it .engine to run it",
    }
    for (path, expected), way in ways.items():
        with pytest.raises(ModelError) as refused:
            refuse_others(path, expected)
        assert refused.value.remedy.startswith(way)


def test_models_are_opened_by_their_content(things: dict[str, list[Path]]) -> None:
    pdparams, onnx, engine, bare = things[MODEL]
    assert {ModelFile.open(path).spec.classes for path in (pdparams, onnx, bare)} == {4}
    with pytest.raises(ModelError, match="is an ONNX model, expected a TensorRT plan"):
        ModelFile.open(engine)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("export", "-o", "OUT", "--weights"), CHECKPOINT),
        (("convert", "onnx", "-o", "OUT.onnx"), EXPORT),
        (("convert", "fp16", "-o", "OUT.onnx"), MODEL),
        (("convert", "check"), MODEL),
        (("verify",), MODEL),
        (("classify", "clip.mp4", "--model"), MODEL),
        (("stream", "clip.mp4", "--model"), MODEL),
    ],
)
def test_every_command_calls_it_what_it_is(  # type: ignore[no-untyped-def]
    things: dict[str, list[Path]], run, tmp_path: Path, command: tuple[str, ...], expected: str
) -> None:
    words = [str(tmp_path / word) if word.startswith("OUT") else word for word in command]
    kinds = {kind: paths[-1] for kind, paths in things.items() if kind != expected}
    if command == ("verify",):
        del kinds[EXPORT], kinds[RUN]  # what it compares begins with a folder
    for kind, path in kinds.items():
        ending = run(*words, path)
        if ending.code == 3:
            pytest.skip(ending.err)
        assert ending.code == 1
        assert f"{path}: is {kind}, expected {expected}; " in ending.err


@pytest.mark.parametrize("expected", [CHECKPOINT, EXPORT, MODEL, PLAN])
@pytest.mark.parametrize("name", ["a.pdparams", "a.pth", "a.onnx", "a.engine", "a.zip"])
def test_an_archive_is_called_one_whatever_its_name(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(
        ModelError, match=r"is a ZIP archive, as PyTorch's checkpoints are, expected .*; unpack it"
    ):
        refuse_others(tmp_path / name, expected)
