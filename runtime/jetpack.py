"""What a Jetson is: its chip and its JetPack, told from the system's own files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.model.manifest import parse_version


@dataclass(frozen=True)
class JetPack:
    """A release for Jetson boards.

    name: such as "7.2".  release: of Jetson Linux (L4T), the first that belongs to it.
    contents: what it brings and for which boards, in a few words.
    """

    name: str
    release: tuple[int, ...]
    contents: str

    def __str__(self) -> str:
        return f"JetPack {self.name} ({self.contents})"


# Newest first.  7.2.1 is Jetson Linux 39.2.1; that 7.2.2 is 39.2.2 follows from it, and was read nowhere.
JETPACKS = (
    JetPack("7.2.2", (39, 2, 2), "TensorRT 10.16, or 11.4.1 from NVIDIA; CUDA 13.2; Orin and Thor"),
    JetPack("7.2.1", (39, 2, 1), "TensorRT 10.16; CUDA 13.2; Orin and Thor"),
    JetPack("7.2", (39, 2), "TensorRT 10.16; CUDA 13.2; Orin and Thor"),
    JetPack("7.1", (38, 4), "TensorRT 10.13; CUDA 13.0; Thor alone"),
    JetPack("7.0", (38, 2), "TensorRT 10.13; CUDA 13.0; Thor alone"),
    JetPack("6", (36,), "TensorRT 10.3 or earlier; CUDA 12; Orin"),
)
# By the name of its chip in the device tree: what the board is called, and its compute capability.
CHIPS = {"tegra234": ("Orin", "8.7"), "tegra264": ("Thor", "11.0")}
_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")


def jetpack_of(release: str | None) -> JetPack | None:
    """Return the JetPack of a line of /etc/nv_tegra_release, or None for one that is not known."""
    match = _RELEASE.search(release or "")
    if match is None:
        return None
    found = (int(match[1]), *parse_version(match[2]))
    return next((each for each in JETPACKS if found[0] == each.release[0] and found >= each.release), None)


def chip(root: Path = Path("/")) -> str | None:
    """Return the name in CHIPS of this board's chip, or None."""
    try:
        compatible = (root / "proc/device-tree/compatible").read_bytes().decode("ascii", "replace")
    except OSError:
        return None
    return next((name for name in CHIPS if name in compatible), None)


def unfit_tensorrt(found: str | None, version: str | None) -> str | None:
    """Return why TensorRT of `version` does not run on the chip `found`, or None if nothing is known."""
    if found != "tegra234" or version is None or parse_version(version)[:2] != (10, 13):
        return None
    board, capability = CHIPS[found]
    return (
        f"TensorRT {version} has no kernels for {board} (compute capability {capability}): "
        "take the one of JetPack 6 or of JetPack 7.2 and later"
    )
