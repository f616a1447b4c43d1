"""Which clips are in which list or fold: of each class the same shares, and clips of one source together."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.video.names import some_of
from pptsn.training.datasets.folder.classes import Clip
from pptsn.training.datasets.stored import bare_name

PARTS = ("train", "val", "test")
FEWEST_FOLDS, MOST_FOLDS = 2, 20
# UCF-101 calls the fourth clip that was cut from the first recording of a class v_CLASS_g01_c04.
UCF_GROUPS = r"^(.+_g[0-9]+)_c[0-9]+$"


@dataclass(frozen=True)
class Source:
    """The clips that were cut from one recording, or a clip of which no more is known."""

    key: str
    clips: tuple[Clip, ...]


def sources_of(clips: Sequence[Clip], pattern: str) -> tuple[list[Source], int]:
    """Return the sources of `clips`, in their order, and how many clips `pattern` tells the source of.

    pattern: a regular expression, searched for in the path of a clip without its suffix; clips where it finds the
    same text (its first group, if it has one) are of one source.
    Raises UsageError where it is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            "--group", f"{pattern!r} is no regular expression ({error})", "as in '^(.+)_[0-9]+$'"
        ) from error
    held: defaultdict[tuple[bool, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        folder, slash, _ = clip.path.rpartition("/")
        match = compiled.search(f"{folder}{slash}{bare_name(clip.path)}")
        text = match[1 if compiled.groups else 0] if match else None
        held[(True, text) if text is not None else (False, clip.path)].append(clip)
    told = sum(len(members) for (is_told, _), members in held.items() if is_told)
    return [Source(key, tuple(members)) for (_, key), members in held.items()], told


def split(
    sources: Sequence[Source], shares: Mapping[str, float], labels: Sequence[str], *, seed: int
) -> dict[str, str]:
    """Return the part, one of those in `shares`, of the clip at each path.

    The largest sources come first, those of one size in an order that follows from `seed` and their names alone,
    and each goes where most of its classes' share is still missing: so that all classes have the shares, as near
    as sources allow.  shares: of each part by its name, 0..1, together 1.  labels: the names of the classes.
    Raises InputError where a class would be missing in a part.
    """
    _require_sources(sources, labels, parts=tuple(shares))
    clips = Counter(clip.label for source in sources for clip in source.clips)
    missing = {part: {label: share * count for label, count in clips.items()} for part, share in shares.items()}
    taken: dict[str, str] = {}

    def need(part: str, source: Source) -> float:
        return sum(missing[part][clip.label] / (shares[part] * clips[clip.label]) for clip in source.clips)

    for source in sorted(sources, key=lambda source: (-len(source.clips), _drawn(seed, source.key))):
        part = max(shares, key=lambda part: need(part, source))
        for clip in source.clips:
            missing[part][clip.label] -= 1
            taken[clip.path] = part
    _require_all(sources, taken, labels, parts=tuple(shares))
    return taken


def fold_shares(folds: int) -> dict[str, float]:
    """Return the shares of as many folds, which are alike, by name."""
    return {f"fold {number}": 1 / folds for number in range(folds)}


def sources_by_class(sources: Sequence[Source]) -> Counter[int]:
    """Return of how many sources the clips of each class are."""
    return Counter(label for source in sources for label in {clip.label for clip in source.clips})


def _drawn(seed: int, key: str) -> bytes:
    """Return what stands for a random number, the same in all versions of everything."""
    return hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogateescape")).digest()


def _require_sources(sources: Sequence[Source], labels: Sequence[str], *, parts: Sequence[str]) -> None:
    counts = sources_by_class(sources)
    few = [f"{name} {counts[label]}" for label, name in enumerate(labels) if counts[label] < len(parts)]
    if few:
        needed = f"{len(parts)} {_kind_of(parts)} need {len(parts)} clips of each class, of different sources"
        remedy = "add clips, or remove the class"
        least = min(counts[label] for label in range(len(labels)))
        if least >= FEWEST_FOLDS:  # fewer than parts
            remedy += f", or cross-validate with --folds {least}"
        raise InputError("too few clips", f"of {some_of(few)} there are, but {needed}", remedy)


def _kind_of(parts: Sequence[str]) -> str:
    return "lists" if tuple(parts) == PARTS else "folds"


def _require_all(
    sources: Sequence[Source], taken: Mapping[str, str], labels: Sequence[str], *, parts: Sequence[str]
) -> None:
    there = {(taken[clip.path], clip.label) for source in sources for clip in source.clips}
    lacking = [
        f"{part} {name}" for part in parts for label, name in enumerate(labels) if (part, label) not in there
    ]
    if lacking:
        cause = f"keeping sources together leaves {_kind_of(parts)} without a class ({some_of(lacking)})"
        raise InputError("--group", cause, "name smaller sources, or leave it out")
