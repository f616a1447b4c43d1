"""From a folder of classes to lists, class names, a recipe and a report, all of them or none."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError, one_line
from pptsn.runtime.base.files import atomic_folder, read_small, require_writable, sha256_of, write_text
from pptsn.runtime.base.progress import Steps
from pptsn.runtime.base.temporary import is_temporary
from pptsn.runtime.decoding.decoders import Decoders
from pptsn.runtime.video.names import counted, number_of, some_of
from pptsn.training.datasets.folder.classes import ClassFolders, Clip, has_plain_text, read_classes
from pptsn.training.datasets.folder.probing import Probed, probe_clips, same_clips
from pptsn.training.datasets.folder.ready_recipe import RECIPE_NAME, recipe_text, start_with
from pptsn.training.datasets.folder.splitting import (
    FEWEST_FOLDS,
    MOST_FOLDS,
    PARTS,
    UCF_GROUPS,
    Source,
    fold_shares,
    sources_by_class,
    sources_of,
    split,
)
from pptsn.training.datasets.folder.telling import Telltale, properties_of, telltales
from pptsn.training.datasets.listing import REPORT, labels_text, list_line, listable, written_together

_MAKER = "pptsn data folder"
# Where the report has the digests of files whose places others are about to take.
_REPLACED = "replaced"
# Far more than the counts and properties of as many classes as a model can have.
_MOST_REPORT_BYTES = 64 << 20
# One clip of fewer is more than a tenth of what is said of a class.
_FEW_TO_TEST, _USUAL_FOLDS = 10, 5


@dataclass(frozen=True)
class FolderSettings:
    """How clips are looked at and split.

    format: videos or frames; None takes what is there.  group: what names say of sources, see `sources_of`; None
    is UCF-101's way.  val, test: their shares of each class, 0..1.  seed: decides the lists.
    weights: that training is to begin with.  max_unreadable: the share of all clips that may be left out so.
    folds: so many parts of all clips, for cross-validation, in place of the lists; None makes lists.
    """

    format: str | None = None
    group: str | None = None
    val: float = 0.2
    test: float = 0.2
    seed: int = 0
    weights: Path | None = None
    max_unreadable: float = 0.05
    folds: int | None = None

    def shares(self) -> dict[str, float]:
        """Return the share of each list or fold.

        Raises UsageError where nothing is left to train on, and for folds without what they need.
        """
        if self.folds is not None:
            return self._fold_shares(self.folds)
        train = 1 - self.val - self.test
        if min(train, self.val, self.test) <= 1e-9:
            cause = f"{self.val:g} and {self.test:g} leave a list of the three without clips"
            raise UsageError("--val, --test", cause, "choose shares above 0 that are less than 1 together")
        return {"train": train, "val": self.val, "test": self.test}

    def _fold_shares(self, folds: int) -> dict[str, float]:
        if not FEWEST_FOLDS <= folds <= MOST_FOLDS:
            raise UsageError("--folds", f"is {folds}, expected {FEWEST_FOLDS} to {MOST_FOLDS}")
        for name in ("val", "test"):
            if getattr(self, name) != getattr(FolderSettings, name):
                raise UsageError(
                    f"--{name}", "is the share of a list, of which --folds makes none", "leave it out"
                )
        if self.weights is None:
            cause = (
                f"takes {folds} trainings, which are quick of the classifier alone, to features of trained weights"
            )
            raise UsageError("--folds", cause, "name the weights by --weights FILE")
        return fold_shares(folds)


@dataclass(frozen=True)
class MadeFolder:
    """What was made.  counts: clips by list or fold, and label.  told: what classes can be told by alone."""

    recipe: Path
    labels: tuple[str, ...]
    counts: Mapping[str, Counter[int]]
    told: Sequence[Telltale] = field(default_factory=tuple)


def make_folder(
    root: Path,
    output: Path,
    *,
    settings: FolderSettings,
    decoders: Decoders = "auto",
    progress: Steps | None = None,
    note: Callable[[str], None],
) -> MadeFolder:
    """Make lists, labels and a recipe in `output` of the classes in `root`, one folder each.

    progress: told the clips that are probed, and those in all.  note: told, in a line each, what was left out.
    Raises UsageError for an `output` that holds anything but what was made so before, and InputError for what
    `read_classes`, `split` and the clips themselves can have wrong; nothing is written then.
    """
    shares = settings.shares()
    _check_output(root, output)
    start = start_with(settings.weights)
    found = read_classes(root, format=settings.format, note=note)
    probed = _readable(root, probe_clips(root, found.clips, decoders=decoders, progress=progress), settings, note)
    probed = _each_once(found, probed, note)
    sources = _sources([each.clip for each in probed], settings, note)
    parts = split(sources, shares, found.names, seed=settings.seed)
    counts: dict[str, Counter[int]] = {part: Counter() for part in shares}
    for each in probed:
        counts[parts[each.clip.path]][each.clip.label] += 1
    if settings.folds is None:
        lists = {part: [each for each in probed if parts[each.clip.path] == part] for part in PARTS}
        _note_small_tests(counts["test"], found, sources, note)
    else:
        lists = {"train": probed}
    line = _LineOf(root, output, found.format)
    files = {f"{name}.txt": "".join(line(each, each.clip.label) for each in part) for name, part in lists.items()}
    if settings.folds is not None:
        numbers = {part: number for number, part in enumerate(shares)}
        files["folds.txt"] = "".join(line(each, numbers[parts[each.clip.path]]) for each in probed)
    files["labels.txt"] = labels_text(found.names)
    files[RECIPE_NAME] = recipe_text(
        output,
        format=found.format,
        clips=len(lists["train"]),
        start=start,
        seed=settings.seed,
        is_folded=settings.folds is not None,
    )
    told = _told(probed, sources, settings.seed)
    files[REPORT] = _report(files, found, counts, told)
    _write(output, files)
    return MadeFolder(output / RECIPE_NAME, found.names, counts, told)


def _check_output(root: Path, output: Path) -> None:
    """Refuse an output that no recipe can name, or that cannot be written; others' files, and what was changed."""
    if not has_plain_text(str(output)):
        cause = "has a name that no recipe can hold (control characters, or bytes that are no UTF-8)"
        raise InputError(output, cause, "choose another --output")
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(root)):
        raise UsageError(output, f"lies in {root}, where it would be a class", "choose another --output")
    if output.exists() and not output.is_dir():
        raise InputError(output, "is a file, expected a folder", "choose another --output")
    require_writable(output / REPORT)
    if not output.exists():
        return
    made = _made_before(output)
    if made is None and not all(map(is_temporary, output.iterdir())):
        raise UsageError(output, f"is not empty, and was not made by `{_MAKER}`", "choose another --output")
    for name, digests in (made or {}).items():
        if (output / name).exists() and sha256_of(output / name) not in digests:
            cause = "was changed since it was made, and would be made anew"
            raise UsageError(output / name, cause, "move it away, or choose another --output")


def _made_before(output: Path) -> dict[str, set[str]] | None:
    """Return the digests of the files that this made in `output`, by name; None where it made none.

    A file has several where a kill came while others took the places of what was there.
    """
    try:
        report = json.loads((output / REPORT).read_text(encoding="utf-8"))
        if report["made_by"] != _MAKER:
            return None
        made: defaultdict[str, set[str]] = defaultdict(set)
        for name, digest in report["files"].items():
            made[Path(name).name].add(digest)
        for name, digests in report.get(_REPLACED, {}).items():
            made[Path(name).name].update(digests)
        return dict(made) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _readable(
    root: Path, probed: Sequence[Probed], settings: FolderSettings, note: Callable[[str], None]
) -> list[Probed]:
    """Return the clips that can be read; the others are told."""
    bad = [each for each in probed if each.error]
    for each in bad:
        note(f"left out: {each.error}")
    if len(bad) > settings.max_unreadable * len(probed):
        cause = f"{len(bad)} of {len(probed)} clips cannot be read, more than {100 * settings.max_unreadable:g} %"
        raise InputError(root, cause, "remove them or get them again, or allow more with --max-unreadable")
    return [each for each in probed if not each.error]


def _each_once(found: ClassFolders, probed: Sequence[Probed], note: Callable[[str], None]) -> list[Probed]:
    """Return the clips without copies of others; raises InputError where copies are of two classes."""
    copies: list[str] = []
    for alike in same_clips(found.root, probed):
        first = alike[0].clip
        other = next((each.clip for each in alike if each.clip.label != first.label), None)
        if other is not None:
            classes = f"{found.names[first.label]} and {found.names[other.label]}"
            cause = f"is the same clip as {other.path}, of the classes {classes}"
            raise InputError(found.root / first.path, cause, "remove one of them")
        copies += [each.clip.path for each in alike[1:]]
    if copies:
        told = f"{counted(len(copies), 'clip')} left out, having copies in the same class"
        note(f"{found.root}: {told}: {some_of(copies)}")
    left_out = set(copies)
    return [each for each in probed if each.clip.path not in left_out]


def _sources(clips: Sequence[Clip], settings: FolderSettings, note: Callable[[str], None]) -> list[Source]:
    sources, told = sources_of(clips, settings.group or UCF_GROUPS)
    if told:
        what = "by --group" if settings.group else "as UCF-101's names tell them"
        apart = "" if told == len(clips) else f"; {len(clips) - told} clips stand for themselves"
        count = len(sources) - (len(clips) - told)
        note(f"clips of one source are kept together, {what}: {told} clips of {count} sources{apart}")
    elif settings.group:
        cause = f"{settings.group!r} matches none of the {len(clips)} clips, such as {clips[0].path}"
        raise UsageError("--group", cause, "it is searched for in a path without its suffix")
    else:
        parts = "lists" if settings.folds is None else "folds"
        note(
            f"clips of one recording may be in several {parts}, as their names do not tell it (X_g01_c02): "
            "give --group REGEX, or the test measures memory"
        )
    return sources


def _note_small_tests(
    tested: Counter[int], found: ClassFolders, sources: Sequence[Source], note: Callable[[str], None]
) -> None:
    """Tell of classes with so few clips in the test list that their figures say little."""
    least, label = min((tested[label], label) for label in range(len(found.names)))
    if least < _FEW_TO_TEST:
        folds = min(_USUAL_FOLDS, *sources_by_class(sources).values())
        note(
            f"the test list has {number_of(least, 'clip')} of {found.names[label]}, which tells little: "
            f"--folds {folds} cross-validates instead, so that each clip is a test once"
        )


class _LineOf:
    """Makes the line of a clip, with its end, in a list in `output` of clips below `root`."""

    def __init__(self, root: Path, output: Path, format: str) -> None:
        self._root, self._has_frames = root, format == "frames"
        # The folders as they really lie, since `..` leads elsewhere from a link; the clip by the name that it has.
        self._real_root, self._start = Path(os.path.realpath(root)), os.path.realpath(output)

    def __call__(self, each: Probed, number: int) -> str:
        """Return the line of a clip and its class, or its fold."""
        path = each.clip.path
        name = listable(os.path.relpath(self._real_root / path, self._start), self._root / path)
        return list_line(name, number, each.frames if self._has_frames else None) + "\n"


def _told(probed: Sequence[Probed], sources: Sequence[Source], seed: int) -> list[Telltale]:
    """Return what tells classes, by one clip of each source."""
    firsts = {source.clips[0].path for source in sources}
    ones = [each for each in probed if each.clip.path in firsts]
    return telltales(properties_of(ones), [each.clip.label for each in ones], seed=seed)


def _report(
    files: Mapping[str, str], found: ClassFolders, counts: Mapping[str, Counter[int]], told: Sequence[Telltale]
) -> str:
    report = {
        "made_by": _MAKER,
        "classes": {
            name: {part: count[label] for part, count in counts.items()} for label, name in enumerate(found.names)
        },
        "told_by": [{**asdict(each), "class": found.names[each.label]} for each in told],
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
    }
    return json.dumps(report, indent=1) + "\n"


def told_beside(list_file: str | Path) -> list[str]:
    """Return a sentence for each property that tells a class of a list that this made; none of any other list."""
    try:
        report = json.loads(read_small(Path(list_file).with_name(REPORT), _MOST_REPORT_BYTES))
        if report["made_by"] != _MAKER:
            return []
        return [
            Telltale(
                str(each["property"]), int(each["label"]), float(each["accuracy"]), float(each["chance"])
            ).sentence(one_line(str(each["class"])))
            for each in report["told_by"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _write(output: Path, files: Mapping[str, str]) -> None:
    """Write all files, or none; into a folder that is there each by renaming, once all of them are on the disk.

    What was made there before and is not made now goes: nothing names it any more.  A kill between the renames
    leaves files of both, a report by which they are known, and no recipe to train by, which goes first and comes
    last.
    """
    if not output.is_dir():
        with atomic_folder(output) as folder:
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
        return
    before = _made_before(output) or {}
    with written_together(output, files):
        replaced = {name: sorted(digests) for name, digests in before.items()}
        write_text(output / REPORT, json.dumps({**json.loads(files[REPORT]), _REPLACED: replaced}))
        for name in (RECIPE_NAME, *(before.keys() - files.keys())):
            (output / name).unlink(missing_ok=True)
