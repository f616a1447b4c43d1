"""The last handler: what nobody foresaw becomes a line, and a report for whoever mends it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

_LONGEST_MESSAGE = 200
_KEPT_REPORTS = 20


def told_and_reported(error: BaseException) -> str:
    """Write a report of `error`, and return the line that tells of it: "unexpected: cause; remedy"."""
    message = "".join(map(_shown, " ".join(_safe(str(error)).split())))
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}..."
    cause = f"{type(error).__name__} ({message})" if message else type(error).__name__
    if isinstance(error, MemoryError):
        return f"memory: there is not enough; give the program more, or less to do ({_place_of(error)})"
    return f"unexpected: {cause}; {_place_of(error)}"


def _shown(character: str) -> str:
    """Return `character`, or what stands for one that would do something to a terminal."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _place_of(error: BaseException) -> str:
    """Write the report, and return what to do with it."""
    try:
        path = _write(_report(error))
    except OSError as refusal:
        return f"please report it; no details are kept ({refusal.strerror or refusal})"
    return f"please report it, with {path}"


def _write(text: str) -> Path:
    """Write a new report, for its user alone, and return where; raises OSError where it has no place."""
    folder = _folder()
    name = f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{os.getpid()}-"
    descriptor, path = tempfile.mkstemp(prefix=name, suffix=".txt", dir=folder, text=True)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    for old in sorted(folder.glob("*.txt"))[:-_KEPT_REPORTS]:
        with suppress(OSError):  # another process removes them as well
            old.unlink()
    return Path(path)


def _folder() -> Path:
    from pptsn.runtime.base.caches import cache_folder

    folder = cache_folder("reports")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.gettempdir())


def _report(error: BaseException) -> str:
    """Return all that is known, without secrets: no values of variables, no environment."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    lines = [
        f"pptsn failed with an error that nobody foresaw, {now}",
        "",
        f"command: {' '.join(['pptsn', *sys.argv[1:]])}",
        f"python: {platform.python_version()} ({platform.python_implementation()})",
        f"system: {platform.platform()}",
        *_versions(),
        "",
        *traceback.format_exception(type(error), error, error.__traceback__),
    ]
    return _safe("\n".join(lines)) + "\n"


def _versions() -> Iterator[str]:
    """Yield a line for each package that the program can use and that is here."""
    import re
    from importlib.metadata import PackageNotFoundError, requires, version

    from pptsn.runtime.base import __version__

    yield f"pptsn: {__version__}"
    with suppress(PackageNotFoundError):
        names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requires("pptsn") or ()}
        for name in sorted(names, key=str.lower):
            with suppress(PackageNotFoundError):
                yield f"{name}: {version(name)}"


def _safe(text: str) -> str:
    """Return `text`, printable, without the credentials in it, in the program's arguments and in variables."""
    from pptsn.runtime.base.files import printable
    from pptsn.runtime.credentials.redaction import redacted, secrets_in
    from pptsn.runtime.credentials.variables import filled_secrets

    arguments = sys.argv[1:]
    # An option and its value stand apart: `--http-token VALUE`.
    pairs = [f"{name}={value}" for name, value in pairwise(arguments) if name[:2] == "--"]
    # Of the environment: passwords of proxies, and that of the page, which libraries may quote.
    told = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PPTSN_")]
    told += [f"http://{value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
    secrets = filled_secrets().union(*map(secrets_in, [*arguments, *pairs, *told]))
    return printable(redacted(text, secrets=secrets))
