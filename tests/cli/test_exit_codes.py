"""The table of exit codes is that of the program, and what nobody foresaw has a line, a code and a report."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.cli import program
from pptsn.runtime.base import errors
from pptsn.runtime.base.errors import DONE, EXIT_CODES, FAILED, MISSING, UNEXPECTED, USAGE, exit_codes_summary
from pptsn.runtime.engines.device import DeviceError

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("hunter2", "s3cr3t-token-of-mine", "pa55word")


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.MULTILINE)}
    assert rows == EXIT_CODES
    assert {int(code) for code in re.findall(r"\b\d+\b", exit_codes_summary())} <= EXIT_CODES.keys()


def test_every_error_has_a_code_of_the_table() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert {kind.exit_code for kind in [*kinds, DeviceError]} == {FAILED, USAGE, MISSING}


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pptsn" / "reports"


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whatever command fail in a way that nobody foresaw."""

    def command_line() -> object:
        def fail(arguments: list[str], **options: object) -> None:
            raise error

        return fail

    monkeypatch.setattr(program, "command_line", command_line)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("odd\n\x1b[31mthing"), KeyError("x"), AssertionError(), MemoryError(), RecursionError("deep")],
)
def test_what_nobody_foresaw_is_one_line_and_a_report(
    error: Exception, run, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(error, monkeypatch)
    ending = run("classify", "a.mp4")
    assert ending.code == UNEXPECTED
    assert ending.out == ""
    assert len(ending.err.splitlines()) == 1
    assert "Traceback" not in ending.err
    assert "\x1b" not in ending.err
    (report,) = reports.iterdir()
    assert str(report) in ending.err
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text(encoding="utf-8")
    for needed in (type(error).__name__, "in fail", "command: pptsn classify a.mp4", "python: 3.", "numpy: "):
        assert needed in text


def test_neither_line_nor_report_holds_a_secret(run, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password, token, other = SECRETS
    fail_with(RuntimeError(f"rtsp://admin:{other}@cam/2 {password} ?api_key={token}"), monkeypatch)
    ending = run(
        "stream", f"rtsp://user:{password}@cam/1", "--http-token", token, "-o", "mqtt://h/t?password=" + other
    )
    (report,) = reports.iterdir()
    for secret in SECRETS:
        assert secret not in ending.err
        assert secret not in report.read_text(encoding="utf-8")


def test_without_a_place_for_the_report_there_is_the_line(
    run, monkeypatch: pytest.MonkeyPatch, reports: Path
) -> None:
    from pptsn.cli import unexpected

    fail_with(RuntimeError("odd"), monkeypatch)
    monkeypatch.setattr(unexpected, "_folder", lambda: Path("/nowhere/at/all"))
    ending = run("classify", "a.mp4")
    assert ending.code == UNEXPECTED
    assert "unexpected: RuntimeError (odd); please report it; no details are kept" in ending.err


def test_old_reports_go(run, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(RuntimeError("odd"), monkeypatch)
    reports.mkdir(parents=True)
    for number in range(30):
        (reports / f"2020-{number:02}.txt").touch()
    run("classify", "a.mp4")
    left = sorted(path.name for path in reports.iterdir())
    assert len(left) == 20
    assert left[0] == "2020-11.txt"


def test_a_thread_that_fails_is_a_line_too(reports: Path) -> None:
    code = """
import sys, threading
from pptsn.cli import program
def command_line():
    def work(arguments, **options):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    return work
program.command_line = command_line
program.run()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == DONE
    assert done.stderr.startswith(
        "pptsn: error: unexpected: ZeroDivisionError (division by zero); please report it"
    )
    assert len(list(reports.iterdir())) == 1
