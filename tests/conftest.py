"""Fixtures that tests of all folders share."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pptsn.cli.program import main
from pptsn.runtime.base import progress
from pptsn.runtime.base.foreign_files import WITHOUT_TELEMETRY

if TYPE_CHECKING:
    from pptsn.training.synthetic.dataset import SyntheticSet

# Tests import ONNX Runtime themselves as well.
os.environ.update(WITHOUT_TELEMETRY)

# What is collected, and what it imports, lives until the end.  Left to the garbage collector, it is looked through
# again and again, which costs a third of a second each time.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on garbage is looked for among what tests leave alone."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference results and real clips beside the project.

    Without it a test skips, except under REQUIRE_SHARED=1, which CI sets: there it fails.
    """
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "clips" / "MANIFEST.tsv").is_file():
        message = f"{folder}: the reference results and clips are absent"
        if os.environ.get("REQUIRE_SHARED") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def reference(shared_dir: Path) -> dict[str, Any]:
    """What the original implementation computes: see the README beside it."""
    return json.loads((shared_dir / "reference" / "reference.json").read_text())


@pytest.fixture(scope="session")
def synthetic_set(tmp_path_factory: pytest.TempPathFactory) -> SyntheticSet:
    """The data set of `make demo` with fewer clips for validation, which nothing may write into."""
    from pptsn.training.synthetic.dataset import SyntheticSettings, make_dataset

    return make_dataset(
        tmp_path_factory.mktemp("set") / "set", settings=SyntheticSettings(val_per_class=2), workers=2
    )


@pytest.fixture(scope="session", autouse=True)
def users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in the place of the user's own caches, which tests neither read nor fill."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _noted_as_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test asked of the program in this process, as `--quiet`, is not asked in the next."""
    for name in ("QUIET", "VERBOSE"):
        monkeypatch.setattr(progress, name, False)


class Ending(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs the program in this process."""
    return lambda *arguments: _run_program(arguments, monkeypatch, capsys)


@pytest.fixture
def run_fd(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Return the same as `run`, for commands that write to the descriptors of standard output and error."""
    return lambda *arguments: _run_program(arguments, monkeypatch, capfd)


def _run_program(
    arguments: Iterable[object], monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Ending:
    monkeypatch.setattr(sys, "argv", ["pptsn", *map(str, arguments)])
    with pytest.raises(SystemExit) as ending:
        main()
    captured = capture.readouterr()
    code = ending.value.code
    return Ending(code if isinstance(code, int) else 0, captured.out, captured.err)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C reach this process and its children: a shell starts background jobs with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
