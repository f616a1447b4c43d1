"""The processor of this machine: what it is called, and which instructions it has."""

from __future__ import annotations

import re
from pathlib import Path

# Arm's own numbers of designers and cores (MIDR_EL1), for machines that tell their cores by number alone.
# By hand: py-cpuinfo calls a Jetson's cores "ARMv8 Processor rev 1 (v8l)", as its kernel does, and takes 1.5 s.
_ARM_CORES = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
}
_NAME = re.compile(r"^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$", re.MULTILINE)
# x86 calls them flags, Arm features.
_FEATURES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)


def processor_name(root: Path = Path("/")) -> str | None:
    """Return the processor's name, as the kernel has it on x86, or by Arm's number of its cores; None unknown.

    root: where `/proc` is.
    """
    text = _cpuinfo(root)
    found = _NAME.search(text)
    # Jetsons say of all their cores "ARMv8 Processor rev 1 (v8l)".
    if found and not found[1].startswith("ARMv"):
        return " ".join(found[1].split())
    return _arm_cores(text) or (found[1].strip() if found else None)


def processor_features(root: Path = Path("/")) -> frozenset[str]:
    """Return what the kernel calls the instructions that the processor has: "avx512_vnni", "asimddp"."""
    found = _FEATURES.search(_cpuinfo(root))
    return frozenset(found[1].split()) if found else frozenset()


def _cpuinfo(root: Path) -> str:
    try:
        return (root / "proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""


def _arm_cores(text: str) -> str | None:
    designers = re.findall(r"^CPU implementer\s*:\s*(\w+)", text, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*(\w+)", text, re.MULTILINE)
    pairs = zip(designers, parts, strict=False)
    cores = dict.fromkeys((int(designer, 16), int(part, 16)) for designer, part in pairs)
    named = [_ARM_CORES.get(core, "core {:#x} of designer {:#x}".format(*reversed(core))) for core in cores]
    return " and ".join(named) or None
