"""What a command leaves and whom it calls: the files written outside its places, and the connections that leave.

    python -m tools.footprint -- pptsn classify clip.mp4 --model model.onnx

The command runs under `strace` with a home, a folder of caches and a temporary folder of its own, all new.  Its
places are the working folder, the temporary folder, shared memory, and `pptsn` in the folder of caches.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# `openat` and what else makes names in folders; with `-y`, descriptors come with their paths.
_CALLS = "network,open,openat,creat,mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2"
# What is no file on a disk: devices, shared memory, the kernel's own.
_NO_FILES = ("/dev/", "/proc/", "/sys/")
# Variables by which somebody else's folders would be the command's.
_NAME_FOLDERS = ("XDG_", "MPLCONFIGDIR", "GST_REGISTRY")
_OPENED = re.compile(
    r"\b(?:creat\(|open(?:at)?\(.*, O_[A-Z_|]*(?:WRONLY|RDWR|CREAT|TRUNC)).*\) += \d+<(?P<path>/[^>]*)>"
)
_NAMED = re.compile(
    r"\b(?:mkdir|symlink|link|rename)\w*\(.*?(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"
    r"\"(?P<name>(?:[^\"\\]|\\.)*)\"(?:, \w+)?\) += 0$"
)
_CALLED = re.compile(
    r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*sin6?_port=htons\((?P<port>\d+)\).*?\"(?P<host>[0-9a-fA-F.:]+)\""
)

# The port of servers of names.
_NAMES = "53"


@dataclass(frozen=True)
class Footprint:
    """What a command did beside its work.

    written: what it wrote or made outside its places, sorted, each once.
    called: hosts with ports it sent to, other than this machine itself, sorted, each once; a server of names on
        this machine is one as well, since it asks others.
    exit_code: of the command.
    output: what it printed, both streams together.
    """

    written: Sequence[str]
    called: Sequence[str]
    exit_code: int
    output: str


def footprint_of(
    command: Sequence[str | Path],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> Footprint:
    """Return what `command` leaves that runs in `folder`, which it may write to.

    environment: variables beside those of this process; the home and the folders of caches and temporary files are
        set in any case.
    Raises FileNotFoundError without `strace`, and subprocess.TimeoutExpired.
    """
    with tempfile.TemporaryDirectory() as name:
        places = Path(name).resolve()
        home, temporary = places / "home", places / "tmp"
        for made in (home, temporary):
            made.mkdir()
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_NAME_FOLDERS)},
            **(environment or {}),
            "HOME": str(home),
            "TMPDIR": str(temporary),
        }
        log = places / "calls"
        tracer = [
            "strace",
            "-f",
            "-y",
            "-qq",
            "-s",
            "0",
            "--seccomp-bpf",
            "-e",
            "signal=none",
            "-e",
            f"trace={_CALLS}",
        ]
        # Addresses and names are printed whole whatever `-s` says; contents are not.
        done = subprocess.run(
            [*tracer, "-o", str(log), *map(str, command)],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
        own = [folder.resolve(), temporary, home / ".cache" / "pptsn"]
        calls = log.read_text(encoding="utf-8", errors="replace").splitlines()
        written = {str(path).replace(str(home), "~") for path in _written(calls) if not _within(path, own)}
        return Footprint(sorted(written), sorted(set(_called(calls))), done.returncode, done.stdout)


def _written(calls: Iterable[str]) -> Iterator[Path]:
    for line in calls:
        if "O_TMPFILE" in line:  # a file without a name, which is gone when it is closed
            continue
        if opened := _OPENED.search(line):
            yield Path(_spelled(opened["path"]).removesuffix(" (deleted)"))
        elif named := _NAMED.search(line):
            path = Path(_spelled(named["folder"] or ""), _spelled(named["name"]))
            # A name without its folder is relative to one that is not told: what is opened in it comes with both.
            if path.is_absolute():
                yield path


def _spelled(printed: str) -> str:
    r"""Return the name that `strace` printed as C does, byte by byte: an ä is \303\244."""
    return os.fsdecode(printed.encode("ascii", "replace").decode("unicode_escape").encode("latin-1"))


def _within(path: Path, own: Iterable[Path]) -> bool:
    """Tell if `path` is one of the command's places, on the way to one, or no file on a disk."""
    if str(path).startswith(_NO_FILES):
        return True
    return any(path.is_relative_to(place) or place.is_relative_to(path) for place in own)


def _called(calls: Iterable[str]) -> Iterator[str]:
    for line in calls:
        if (called := _CALLED.search(line)) and (called["port"] == _NAMES or not _is_this_machine(called["host"])):
            yield f"{called['host']}:{called['port']}"


def _is_this_machine(host: str) -> bool:
    return host.startswith(("127.", "::1", "::ffff:127."))


def main() -> None:
    """Run the command that the arguments are, and say what it left; exits with 1 if that is anything."""
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        sys.exit("usage: python -m tools.footprint -- COMMAND [ARGUMENT]...")
    if shutil.which("strace") is None:
        sys.exit("strace is missing: install it (apt install strace)")
    found = footprint_of(command, Path.cwd())
    print(found.output, end="")
    print(f"{shlex.join(command)}: exit code {found.exit_code}")
    for path in found.written:
        print(f"wrote {path}")
    for host in found.called:
        print(f"called {host}")
    print(f"{len(found.written)} files outside its places, {len(found.called)} hosts")
    sys.exit(bool(found.written or found.called))


if __name__ == "__main__":
    main()
