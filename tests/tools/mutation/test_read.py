"""The tool that breaks documents, checkpoints and models finds each kind of fault, and none where none is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from tools.mutation.read import KINDS, trial, try_files
from tools.mutation.read.trial import Reader


def _refuse(path: Path) -> None:
    raise InputError(path, "is none")


def _fail(path: Path) -> None:
    raise KeyError("a bug")


def _hang(path: Path) -> None:
    time.sleep(60)


def _crash(path: Path) -> None:
    os.abort()


def _grow(path: Path) -> int:
    return sum(bytearray(b"\1") * 250_000_000)


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (Path.read_bytes, "read"),
        (_refuse, "refused"),
        (_fail, "traceback"),
        (_hang, "hang"),
        (_crash, "crash"),
        (_grow, "memory"),
    ],
)
def test_each_fault_is_told_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read, what: str
) -> None:
    monkeypatch.setattr(trial, "HANG_S", 0.5 if what == "hang" else 30.0)
    (tmp_path / "a").write_bytes(b"content")
    reader = Reader(read)
    try:
        for _ in range(2):
            assert reader.verdict(tmp_path / "a").what == what
    finally:
        reader.close()


@pytest.mark.parametrize("name", [name for name in KINDS if name != "models"])
def test_broken_files_of_each_kind_are_read_or_refused(tmp_path: Path, name: str) -> None:
    assert list(try_files(name, [], tmp_path, count=25, seed=1)) == []
    assert list(tmp_path.glob(f"{name}-*")) == []


def test_the_same_seed_breaks_the_same(tmp_path: Path) -> None:
    def broken(seed: int) -> list[bytes]:
        import numpy as np

        kind, rng = KINDS["recipes"], np.random.default_rng(seed)
        return [kind.mutate(rng, kind.examples(tmp_path)) for _ in range(20)]

    assert broken(1) == broken(1)
    assert broken(1) != broken(2)
