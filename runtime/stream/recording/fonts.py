"""Fonts that are installed, found by fontconfig's `fc-match`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PATIENCE_S = 5.0


@dataclass(frozen=True)
class FontFile:
    """A font: its file, and which one of those in the file it is."""

    path: str
    index: int = 0


def font_called(name: str) -> FontFile:
    """Return the installed font that `name` stands for, or the font in a file of that name.

    A name may be the beginning of a family's, and have properties as fontconfig writes them: `DejaVu Sans:bold`.
    Raises ValueError where there is none.
    """
    from PIL import ImageFont

    if Path(name).is_file():
        try:
            ImageFont.truetype(name)
        except OSError as error:
            raise ValueError(f"{name} is no font") from error
        return FontFile(name)
    family, colon, properties = name.partition(":")
    for known in dict.fromkeys((family, *_families_like(family))) if family else ():
        found = _match(known.replace("-", r"\-") + colon + properties)
        if found is not None and known.casefold() in found[1]:
            return found[0]
    raise ValueError(f"no font called {name} is installed")


@lru_cache(maxsize=256)
def font_with(characters: str) -> FontFile | None:
    """Return the installed font that has most of `characters`; None where there are no fonts."""
    codes = " ".join(sorted({f"{ord(character):x}" for character in characters}))
    found = _match(f"sans-serif:charset={codes}")
    return found[0] if found is not None else None


def _families_like(name: str) -> Iterable[str]:
    lines = _ask("fc-list", ":", "family").splitlines()
    families = sorted({family for line in lines for family in line.split(",")})
    return (family for family in families if family.casefold().startswith(name.casefold()))


def _match(pattern: str) -> tuple[FontFile, set[str]] | None:
    """Return the font that is closest to `pattern`, and the names of its family in small letters."""
    path, _, rest = _ask("fc-match", "-f", "%{file}\n%{index}\n%{family}", pattern).partition("\n")
    index, _, families = rest.partition("\n")
    if not Path(path).is_file() or not index.isdigit():
        return None
    return FontFile(path, int(index)), {family.casefold() for family in families.split(",")}


def _ask(*command: str) -> str:
    """Return what a program of fontconfig's prints; "" where it is missing, or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
