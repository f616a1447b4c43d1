"""Which paths lie on a file system that may hang: of the network, or served by another program."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORKED = frozenset(
    ("9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs")
)
# Served by a program of the same machine for its own files.
_LOCAL_FUSE = frozenset(("fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.portal"))
_ESCAPE = re.compile(r"\\([0-7]{3})")


def may_hang(paths: Iterable[str]) -> bool:
    """Whether one of `paths` lies on such a file system; asks nothing of that, and follows no links on it."""
    mounts = _mounts()
    if not any(mounts.values()):
        return False
    return any(_hangs(os.path.abspath(path), mounts) for path in paths)  # noqa: PTH100 - resolve() would ask


def _hangs(path: str, mounts: dict[str, bool]) -> bool:
    while path not in mounts and path != "/":
        path = os.path.dirname(path)  # noqa: PTH120
    return mounts.get(path, False)


def _mounts() -> dict[str, bool]:
    """Return whether it may hang, by the place of each mount; of several in one place the last."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:  # no such file on this system
        return {}
    found = {}
    for line in lines:
        place, _, kind = line.partition(" - ")
        name = kind.split(" ", 1)[0]
        is_fuse = name.split(".")[0] in ("fuse", "fuseblk") and name not in _LOCAL_FUSE
        found[_ESCAPE.sub(lambda code: chr(int(code[1], 8)), place.split(" ")[4])] = is_fuse or name in _NETWORKED
    return found
