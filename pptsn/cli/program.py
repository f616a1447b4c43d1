"""The program `pptsn`: its commands mounted, its errors told, its exit codes kept."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from pptsn.runtime.base import __version__
from pptsn.runtime.base.errors import DONE, FAILED, INTERRUPTED, UNEXPECTED, exit_codes_summary

if TYPE_CHECKING:
    import typer

    from pptsn.runtime.base.errors import PptsnError
    from pptsn.runtime.base.stopping import Stop

# What Python may take to end, once the command is done: other threads may hang.
_FINISH_S = 5.0
_NAME = "pptsn"
_QUIET, _VERBOSE = ("--quiet", "-q"), ("--verbose", "-v")
_OWN_OPTIONS = frozenset({*_QUIET, *_VERBOSE})
# The size of the terminal by the environment, and what it can be: in 0 columns nothing would show, errors neither,
# and a page of help in millions would take minutes.
_SIZES, _LARGEST_SIZE = ("COLUMNS", "LINES"), 5000

_COMMANDS = {
    "classify": ("pptsn.cli.classify:classify", "Name the action in each video."),
    "stream": (
        "pptsn.cli.stream:stream",
        "Name the action in cameras, streams and files, live, for as long as they run.",
    ),
    "doctor": (
        "pptsn.cli.doctor:doctor",
        "Say what is installed, which engines and devices work, and what to install for the rest.",
    ),
    "synthesize": (
        "pptsn.cli.synthesize:synthesize",
        "Make a small labelled set of real H.264 files, to try everything with.",
    ),
    "data": ("pptsn.cli.data:app", "Prepare data sets: lists, extracted frames, checks."),
    "weights": ("pptsn.cli.weights:app", "Fetch published weights and keep them."),
    "train": ("pptsn.cli.train:train", "Train PP-TSN by a recipe."),
    "evaluate": ("pptsn.cli.evaluate:evaluate", "Measure top-1 and top-5 over the recipe's test list."),
    "report": (
        "pptsn.cli.report:report",
        "Say on one page how right a model is, of which classes, how sure, and where it fails.",
    ),
    "export": (
        "pptsn.cli.export:export",
        "Export a checkpoint: its per-view network, its spec, and reference logits.",
    ),
    "convert": ("pptsn.cli.convert:app", "Convert a Paddle export to the files that devices run."),
    "verify": (
        "pptsn.cli.verify:verify",
        "Prove that models give the answers of their export, or of one another.",
    ),
    "tune": ("pptsn.cli.tune:tune", "Find out how a model runs fastest on this machine, and keep it."),
    "bench": ("pptsn.cli.bench:app", "Measure models on this machine; reports; comparisons."),
}
# What other programs for such models call them.
_ELSEWHERE = {"predict": "classify", "val": "evaluate", "validate": "evaluate", "benchmark": "bench"}


def command_line() -> typer.Typer:
    """Return the command line: one file a command."""
    import typer

    from pptsn.cli.lazy import lazy_app
    from pptsn.runtime.base.progress import set_quiet, set_verbose

    app = lazy_app(
        _COMMANDS,
        help="PP-TSN video classification: train in Paddle, convert to ONNX, classify files and live streams.",
        epilog=exit_codes_summary(),
        elsewhere=_ELSEWHERE,
        completion=True,
    )

    def show_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"pptsn {__version__}")
            raise typer.Exit

    # Defaults rather than Annotated: Typer resolves annotations by this module's globals, which have no `typer`.
    quiet_option = typer.Option(False, *_QUIET, help="No progress bars, no notes.")
    verbose_option = typer.Option(False, *_VERBOSE, help="Say how the model runs: batches, memory.")
    version_option = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Print the version."
    )

    @app.callback()
    def options(
        quiet: bool = quiet_option, verbose: bool = verbose_option, version: bool = version_option
    ) -> None:
        set_quiet(quiet)
        set_verbose(verbose)

    return app


def run() -> NoReturn:
    """Run the command line in a process of its own, which is gone soon after its command is done.

    What nobody foresaw in a thread is told as elsewhere, and until Python has gone, a signal is no traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it is handled: what is not yet imported is no news
    from pptsn.runtime.base.memory import start_without_collecting

    start_without_collecting()
    from pptsn.runtime.base.stopping import finish, watch_to_the_end

    ended: list[int] = []
    atexit.register(lambda: _leave(*ended))  # before all others, to be called after them
    threading.excepthook = lambda hook: _tell_of_thread(hook.exc_value)
    sys.unraisablehook = lambda hook: None  # of objects that are let go, which harms nobody
    try:
        watch_to_the_end()
        main()
    except SystemExit as ending:
        ended.append(_code_of(ending))
        finish(ended[0], within_s=_FINISH_S)
        raise
    except KeyboardInterrupt as told:  # before the command began, or after it was done
        _leave(128 + getattr(told, "number", signal.SIGINT))
    sys.exit(DONE)


def _leave(code: int | None = None) -> None:
    """End the process with `code`, rather than have C++ libraries end while their threads still run, and abort.

    Nor is there a moment then in which a signal kills.
    """
    from pptsn.runtime.base.temporary import remove_temporaries

    if code is None:  # something else is under way
        return
    remove_temporaries()  # of which a signal made an end, in the midst of making or removing them
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def main() -> None:
    """Run the command line; an expected failure is one line on standard error and its exit code.

    An unexpected one is a line too, which names the report of it.  Codes: `pptsn.runtime.base.errors`.
    """
    _connect_standard_streams()
    _forget_odd_sizes()
    from pptsn.runtime.base.stopping import say_stopped, stoppable

    with stoppable() as stop:
        code = _outcome(stop)
        if stop.exit_code is not None:
            say_stopped()
            code = stop.exit_code
        try:
            sys.stderr.flush()
        except OSError:  # its reader has gone, which is no failure of what was done
            _give_up(sys.stderr)
    sys.exit(code)


def _outcome(stop: Stop) -> int:
    """Run the command line and return the exit code, but for a program that was stopped."""
    from pptsn.runtime.base.errors import PptsnError

    try:
        try:
            _refuse_empty(sys.argv[1:])
            return _run_command(command_line(), _arguments())
        finally:
            sys.stdout.flush()  # now: when Python exits it is too late for an error message
    except SystemExit as ending:
        return _code_of(ending)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _give_up(sys.stdout)
    except PptsnError as error:
        return _expected(error, stop)
    except OSError as error:  # a full disk, say: whatever no command could foresee
        _give_up(sys.stdout)
        if stop.exit_code is None:
            _complain(f"{error.filename or 'system'}: {error.strerror or error}")
    except Exception as error:
        if stop.exit_code is None:  # once it was told to stop, whatever fails does so for that
            _complain(_unexpected(error))
        return UNEXPECTED
    return FAILED


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument without a character: as a path it would be the working folder."""
    from pptsn.runtime.base.errors import UsageError

    for before, argument in pairwise((_NAME, *arguments)):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            thing = option or (before if before.startswith("-") else "an argument")
            raise UsageError(thing, "is empty", "give a value; a variable of the shell may not be set")


def _run_command(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name, and return its exit code.

    Raises UsageError for options, values and commands that there are not, and what the command raises.
    """
    import typer

    from pptsn.runtime.base.errors import UsageError

    wrong_usage: type[Exception] = typer.BadParameter.__mro__[1]  # of Click, or of Typer's copy of it
    try:
        ended = app(arguments, prog_name=_NAME, standalone_mode=False)
    except wrong_usage as error:
        context: Any = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            context.get_help()  # who names no command is shown which there are: Rich prints the page
            return UsageError.exit_code
        place = context.command_path if context else _command_in(arguments)
        remedy = _remedy_of_file(error, arguments) or f"see: {place} --help"
        raise UsageError(place, _cause_of(error), remedy) from error
    return ended if type(ended) is int else DONE


def _command_in(arguments: Sequence[str]) -> str:
    """Return the program with the command that `arguments` name, where they do."""
    first = next((argument for argument in arguments if not argument.startswith("-")), "")
    return f"{_NAME} {first}" if first in _COMMANDS else _NAME


def _remedy_of_file(error: Exception, arguments: Sequence[str]) -> str:
    """Return how to name the file that was taken for an option there is not, as one that `*` gave; "" for none."""
    if type(error).__name__ != "NoSuchOption":
        return ""
    option: str = vars(error)["option_name"]
    files = (name for name in arguments if name.startswith(option) and os.path.lexists(name))
    return next((f"for the file of that name: {os.path.join('.', name)}" for name in files), "")  # noqa: PTH118


def _cause_of(error: Exception) -> str:
    """Return what Click says, as part of a line."""
    text = " ".join(error.format_message().split()).removesuffix(".")  # type: ignore[attr-defined]
    text = text.replace(": Value error, ", ": ")  # newer versions of Typer check by Pydantic, whose word that is
    return text[:1].lower() + text[1:]


def _expected(error: PptsnError, stop: Stop) -> int:
    """Tell an error that a user can meet, and return its exit code."""
    from pptsn.runtime.base.errors import ToldElsewhereError

    interrupted = isinstance(error.__cause__, KeyboardInterrupt)
    if stop.exit_code is None or interrupted:
        if not isinstance(error, ToldElsewhereError):
            _complain(str(error))
        stop.said = True
    return INTERRUPTED if interrupted else error.exit_code


def _unexpected(error: BaseException) -> str:
    from pptsn.cli.unexpected import told_and_reported

    return told_and_reported(error)


def _tell_of_thread(error: BaseException | None) -> None:
    if error is not None:
        _complain(_unexpected(error))


def _arguments() -> list[str]:
    """Return the arguments, the program's own options first: they may stand after the command as well."""
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own = [argument for argument in arguments[:end] if argument in _OWN_OPTIONS]
    return [*own, *(argument for argument in arguments[:end] if argument not in _OWN_OPTIONS), *arguments[end:]]


def _code_of(ending: SystemExit) -> int:
    return ending.code if isinstance(ending.code, int) else FAILED if ending.code else DONE


def _connect_standard_streams() -> None:
    """Let streams that the program was started without (`>&-`) lead nowhere.

    Otherwise the next file that is opened would take the stream's number, and what is printed with it.
    `sys.stdin` stays None where there is no standard input: nothing can be read from it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole run


def _forget_odd_sizes() -> None:
    """Take out of the environment what no terminal can have as its size, so that its real size counts."""
    for name in _SIZES:
        text = os.environ.get(name, "1")
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _LARGEST_SIZE):
            del os.environ[name]


def _complain(text: str) -> None:
    from pptsn.runtime.base.errors import one_line
    from pptsn.runtime.credentials.redaction import without_logins

    with suppress(OSError):  # there may be nobody to read it
        print(f"pptsn: error: {one_line(without_logins(text, sys.argv[1:]))}", file=sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what `stream` still holds go nowhere, so that Python does not fail on it again at its exit."""
    with suppress(OSError, ValueError):  # it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
