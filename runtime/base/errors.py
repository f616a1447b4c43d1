"""The errors that a user can meet: one line with the thing, the cause and the remedy, and an exit code."""

from __future__ import annotations

import json
import signal

# The exit codes of the program: one table, by which `--help`, the documentation and the tests go.
DONE, FAILED, USAGE, MISSING, UNEXPECTED, UNFINISHED, LOST = 0, 1, 2, 3, 4, 5, 6
# A program that was told to stop: 128 and the number of the signal, as shells have it.
INTERRUPTED, TERMINATED, HUNG_UP = 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP

EXIT_CODES = {
    DONE: "done",
    FAILED: "some input failed, or a limit was not kept",
    USAGE: "wrong usage",
    MISSING: "missing dependency or device",
    UNEXPECTED: "an error that nobody foresaw: a line on standard error names the report to send in",
    UNFINISHED: "training: stopped by a signal before its end; its checkpoints are kept, --resume goes on",
    LOST: "a rank was killed, or cut off from the others; checkpoints of a training are kept, --resume goes on",
    HUNG_UP: "stopped by SIGHUP: the terminal was closed",
    INTERRUPTED: "stopped by Ctrl-C (SIGINT)",
    TERMINATED: "stopped by SIGTERM",
}

# No package index but Paddle's own has it.
PADDLE_GPU_INSTALL = "pip install paddlepaddle-gpu -i https://www.paddlepaddle.org.cn/packages/stable/cu126/"


# Of an error; a path may have 4096 characters.
_LONGEST_LINE = 10_000


class PptsnError(Exception):
    """An expected failure.  `str()` is one line: "thing: cause; remedy".

    thing: what failed, as its user knows it (a path, an option, a package).
    cause: what is wrong, with expected and actual values where there are any.
    remedy: what to do about it; may be empty where nothing can be done.
    """

    exit_code = FAILED

    def __init__(self, thing: object, cause: str, remedy: str = "") -> None:
        # The arguments are handed on as they came, so that the error survives a trip between processes.
        super().__init__(str(thing), cause, remedy)
        self.thing = str(thing)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{self.thing}: {self.cause}"
        if self.remedy:
            line += f"; {self.remedy}"
        return one_line(line)


class InputError(PptsnError):
    """An input (video, list, picture folder) that cannot be used; other inputs of the same call go on."""


class ModelError(PptsnError):
    """A model, checkpoint or export that cannot be used: damaged, of another format, or no PP-TSN."""


class VerificationError(PptsnError):
    """Two results that should agree do not."""


class UsageError(PptsnError):
    """A request that makes no sense as it stands: an unknown name, a value out of range."""

    exit_code = USAGE


class ClosedError(UsageError, ValueError):
    """A call of what is closed already."""


class ToldElsewhereError(PptsnError):
    """The end of a process whose job ends, for what another of its processes tells: this one says nothing."""


class MissingDependencyError(PptsnError):
    """A package, driver or device that the request needs and this machine lacks."""

    exit_code = MISSING


def engine_closed() -> ClosedError:
    """Return the error for an engine that is asked after its end."""
    return ClosedError("model", "the engine is closed", "open it again, and close it after the last call")


def folder_in_its_place(name: object) -> InputError:
    """Return the error for a folder that is called `name`, where a file is to be written."""
    return InputError(name, "is a folder, expected a file name", "name a file in it")


def one_line(text: str) -> str:
    """Return `text`, which may come from a file or a library, as one line that any terminal can show.

    What `spelled` spells out is; of a text of thousands of characters the middle is left out.
    """
    line = " ".join(text.split())
    if len(line) > _LONGEST_LINE:
        line = f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"
    return spelled(line)


def spelled(text: str) -> str:
    """Return `text`, such as a name, with control characters spelled out, and bytes that are no UTF-8."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def spelled_json(text: str) -> str:
    """Return JSON on one line, escaping in it what would do more than show itself, which means the same.

    JSON's own rules leave characters raw that turn text around, move a terminal's cursor, or end lines for some.
    """
    return text if text.isprintable() else "".join(map(_spelled_in_json, text))


def _spelled_in_json(character: str) -> str:
    # Half a character is for the output's encoding to refuse.
    plain = character.isprintable() or "\ud800" <= character <= "\udfff"
    return character if plain else json.dumps(character)[1:-1]


def _spelled(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # such a byte
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]


def reason_of(error: Exception) -> str:
    """Return why the system refused something, in words."""
    return getattr(error, "strerror", None) or str(error) or "it does not say why"


def install_command(extra: str) -> str:
    """Return the command that installs what one of the project's extras needs."""
    return f"pip install 'pptsn[{extra}]'"


def exit_codes_summary() -> str:
    """Return the exit codes in a sentence, for the end of `--help`."""
    return (
        f"Exit codes: {DONE} done, {FAILED} some input failed, {USAGE} wrong usage, {MISSING} missing dependency "
        f"or device, {UNEXPECTED} unexpected error, {UNFINISHED} training stopped, {LOST} a rank lost, "
        f"{INTERRUPTED} stopped by Ctrl-C, {TERMINATED} by SIGTERM."
    )
