"""Looking at all that a list names: every line, every clip decoded to its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.progress import Steps
from pptsn.runtime.classify.lists import ListLine, Sample, list_lines
from pptsn.runtime.decoding.clips import usable_frames
from pptsn.runtime.decoding.decoders import Decoders, decoder_count
from pptsn.runtime.video import open_video
from pptsn.training.datasets.parallel import in_parallel

# What can be wrong with a line, and what each kind means.
KINDS = {
    "line": "it is no line of a list",
    "label": "its label is none of the classes'",
    "duplicate": "an earlier line names the same clip",
    "unreadable": "it cannot be decoded, nearly all of it is damaged, or frames are missing in its folder",
    "damaged": "some of its frames are damaged or lost",
    "early": "its file ends early",
    "short": "it has fewer frames than are taken of a clip",
}
# Dropped where nobody says what: clips that training cannot use, and those that it would use twice.
DROPPED = ("line", "label", "duplicate", "unreadable")


@dataclass(frozen=True)
class Finding:
    """Something wrong with a line of a list.  kind: one of KINDS.  text: what, in a phrase."""

    line: int
    thing: str
    kind: str
    text: str


@dataclass(frozen=True)
class Expected:
    """What a list should keep to.  classes: labels are below it; None where that is not known.

    segments: the frames that are taken of each clip.
    """

    classes: int | None = None
    segments: int = 3


@dataclass
class ListCheck:
    """What was found.  per_class: clips by label, of the lines that can be read.  frames: that were decoded."""

    path: Path
    lines: list[ListLine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    per_class: Counter[int] = field(default_factory=Counter)
    frames: int = 0

    def counts(self) -> dict[str, int]:
        """Return how many lines have each kind of fault, of those that were met, in the order of KINDS."""
        lines = {(finding.line, finding.kind) for finding in self.findings}
        counted = Counter(kind for _, kind in lines)
        return {kind: counted[kind] for kind in KINDS if counted[kind]}

    def without(self, kinds: Collection[str]) -> list[str]:
        """Return the lines, as they stand, that have none of these faults."""
        bad = {finding.line for finding in self.findings if finding.kind in kinds}
        return [line.text for line in self.lines if line.number not in bad]


def read_kinds(text: str) -> tuple[str, ...]:
    """Return the kinds that `text` names, `short,early`; raises UsageError for one that is none."""
    kinds = tuple(kind.strip() for kind in text.split(",") if kind.strip())
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        named = unknown[0] if unknown else text
        raise UsageError("--drop", f"unknown kind {named!r}", f"choose some of {','.join(KINDS)}")
    return kinds


def require_same_paths(listed: Path, output: Path, *, format: str) -> None:
    """Raise UsageError where a new list `output`, with the paths of `listed`, would name other files.

    Paths in a list are relative to its folder; in a prefix, which this is not for, it does not matter.
    Raises InputError where the list cannot be read.
    """
    if output.parent.resolve() == listed.parent.resolve():
        return
    if any(not Path(line.text).is_absolute() for line in list_lines(listed, format=format)):
        cause = f"would not lie where the paths in {listed} are relative to"
        raise UsageError(output, cause, f"write it to {listed.parent}, or give --prefix {listed.parent}")


def check_list(
    path: Path,
    *,
    format: str,
    prefix: Path | None = None,
    expected: Expected | None = None,
    decoders: Decoders = "auto",
    progress: Steps | None = None,
) -> ListCheck:
    """Look at every line of a list, decode every clip in it to its end, and return what was found, line by line.

    progress: told the clips that are done, and those in all.
    Raises InputError where the list cannot be read or holds no line, UsageError for an unknown format.
    """
    expected = expected or Expected()
    check = ListCheck(path, list(list_lines(path, format=format, prefix=prefix)))
    if not check.lines:
        raise InputError(path, "is empty", "give it a line a clip")
    clips = _first_of_each(check, expected)
    processes = decoder_count(decoders, [clip.sample.path for clip in clips], busy_cores=0)
    examine = _Examine(expected.segments)
    for done, seen in enumerate(in_parallel(examine, clips, processes=processes, lost=_lost), 1):
        check.findings += seen.findings
        check.frames += seen.frames
        if progress is not None:
            progress(done, len(clips))
    check.findings.sort(key=lambda finding: finding.line)
    return check


@dataclass(frozen=True)
class _Clip:
    line: int
    sample: Sample


@dataclass(frozen=True)
class _Seen:
    """What one clip showed: frames that were decoded, and what is wrong with it."""

    frames: int
    findings: tuple[Finding, ...]


def _first_of_each(check: ListCheck, expected: Expected) -> list[_Clip]:
    """Return the clips to decode, each once, and note what the lines alone tell."""
    clips: list[_Clip] = []
    first: dict[str, _Clip] = {}
    for line in check.lines:
        if isinstance(line.sample, InputError):
            cause = f"{line.sample.cause}; {line.sample.remedy}"
            check.findings.append(Finding(line.number, line.text, "line", cause))
            continue
        sample = line.sample
        check.per_class[sample.label] += 1
        if expected.classes is not None and sample.label >= expected.classes:
            cause = f"label {sample.label} is out of range, expected 0 to {expected.classes - 1}"
            check.findings.append(Finding(line.number, sample.path, "label", cause))
        clip = _Clip(line.number, sample)
        other = first.setdefault(os.path.realpath(sample.path), clip)
        if other is clip:
            clips.append(clip)
            continue
        cause = f"line {other.line} names it too"
        if other.sample.label != sample.label:
            cause += f", with label {other.sample.label} instead of {sample.label}"
        check.findings.append(Finding(line.number, sample.path, "duplicate", cause))
    return clips


@dataclass(frozen=True)
class _Examine:
    """Decodes one clip to its end, in whichever process."""

    segments: int

    def __call__(self, clip: _Clip) -> Iterator[_Seen]:
        found: dict[str, str] = {}
        frames = 0
        try:
            with open_video(clip.sample.path) as video:
                frames = video.decode_all()
                usable = usable_frames(clip.sample.path, frames, clip.sample.frames)
                damage, warnings = video.damage, "; ".join(video.warnings)
                if damage.damaged:
                    is_worthless = damage.where_all_are_asked_for().is_nearly_all
                    found["unreadable" if is_worthless else "damaged"] = warnings
                if video.ends_early:
                    found["early"] = warnings
                if usable < self.segments:
                    found["short"] = f"has {usable} frames, {self.segments} are taken of each clip"
        except InputError as error:
            found["unreadable"] = str(error).removeprefix(f"{clip.sample.path}: ")
        findings = (Finding(clip.line, clip.sample.path, kind, text) for kind, text in found.items())
        yield _Seen(frames, tuple(findings))


def _lost(clip: _Clip, how: str) -> _Seen:
    return _Seen(0, (Finding(clip.line, clip.sample.path, "unreadable", how),))


def empty_classes(check: ListCheck, labels: Sequence[str]) -> list[str]:
    """Return the names of the classes of which the list has no clip."""
    return [name for label, name in enumerate(labels) if not check.per_class[label]]
