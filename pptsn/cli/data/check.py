"""The command `pptsn data check`.  Heavy imports wait until it runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.data.options import FormatOption, ListArgument, ListPrefixOption
from pptsn.cli.device_options import DecodersOption
from pptsn.cli.lines import say

if TYPE_CHECKING:
    from pptsn.training.datasets.check import ListCheck

# Of more classes than that, only the fewest and the most clips of one are shown.
_MOST_CLASSES_SHOWN = 20


def check(
    list_file: ListArgument,
    format: FormatOption = "videos",
    prefix: ListPrefixOption = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="The class names; labels must be below their number."),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option("--classes", min=1, metavar="N", help="The number of classes, without their names."),
    ] = None,
    segments: Annotated[
        int,
        typer.Option("--segments", min=1, help="Frames that are taken of a clip: one with fewer is too short."),
    ] = 3,
    decoders: DecodersOption = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write what is left after --drop as a new list."),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(
            "--drop",
            metavar="KINDS",
            help="What a new list leaves out: line,label,duplicate,unreadable,damaged,early,short; "
            "the first four if not given.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with the clips of each class.")
    ] = False,
) -> None:
    """Decode all that a list names, to the end, and say what is wrong with it.

    Each fault is a line: where, what, of which kind.  Exit code 1 where anything is found, or, with --output,
    where anything of it stays in the new list.

    Example: pptsn data check data/k400/train.list --prefix data/k400/videos --classes 400 -o data/k400/sound.list
    """
    import json

    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.files import refuse_overwriting, require_writable, write_text
    from pptsn.runtime.base.progress import steps_bar
    from pptsn.runtime.decoding.decoders import read_decoders
    from pptsn.runtime.model.labels import read_labels
    from pptsn.training.datasets.check import DROPPED, Expected, check_list, read_kinds, require_same_paths

    kinds = DROPPED if drop is None else read_kinds(drop)
    dropped = () if output is None else kinds
    if output is None and drop is not None:
        raise UsageError("--drop", "says what a new list leaves out, and none is written", "give --output FILE")
    if output is not None:
        refuse_overwriting(output, [list_file])
        require_writable(output)
        if prefix is None:
            require_same_paths(list_file, output, format=format)
    names = () if labels is None else read_labels(labels)
    expected = Expected(classes=len(names) or classes, segments=segments)
    with steps_bar("decoding") as progress:
        found = check_list(
            list_file,
            format=format,
            prefix=prefix,
            expected=expected,
            decoders=read_decoders(decoders),
            progress=progress,
        )
    if as_json:
        say(json.dumps(_as_object(found)))
    else:
        _show(found, names)
    kept = found.without(dropped)
    if output is not None:
        write_text(output, "".join(f"{line}\n" for line in kept))
        _say(f"{output}: {len(kept)} of {len(found.lines)} lines", as_json)
    if any(finding.kind not in dropped for finding in found.findings):
        raise typer.Exit(1)


def _as_object(found: ListCheck) -> dict[str, object]:
    from pptsn.runtime.base.files import printable

    return {
        "list": printable(str(found.path)),
        "lines": len(found.lines),
        "frames": found.frames,
        "per_class": {str(label): count for label, count in sorted(found.per_class.items())},
        "found": found.counts(),
        "findings": [
            {**asdict(finding), "thing": printable(finding.thing), "text": printable(finding.text)}
            for finding in found.findings
        ],
    }


def _show(found: ListCheck, names: tuple[str, ...]) -> None:
    from pptsn.runtime.base.errors import one_line
    from pptsn.runtime.video.names import some_of
    from pptsn.training.datasets.check import empty_classes

    for finding in found.findings:
        say(one_line(f"{found.path}:{finding.line}: {finding.thing}: {finding.kind}: {finding.text}"))
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts().items())
    seen = f"lines: {len(found.lines)}, classes: {len(found.per_class)}, frames decoded: {found.frames}"
    say(one_line(f"{found.path}: {seen}; {counts or 'nothing is wrong'}"))
    if 0 < len(found.per_class) <= _MOST_CLASSES_SHOWN:
        for label, count in sorted(found.per_class.items()):
            say(f"  {count:7} {one_line(names[label] if label < len(names) else str(label))}")
    elif found.per_class:
        (most, clips_most), *_ = ranked = found.per_class.most_common()
        least, clips_least = ranked[-1]
        say(f"  {clips_least} clips of class {least} to {clips_most} of class {most}; --json has all")
    if empty := empty_classes(found, names):
        say(f"  no clip of {len(empty)} of {len(names)} classes: {one_line(some_of(empty))}")


def _say(text: str, as_json: bool) -> None:
    from pptsn.runtime.base.errors import one_line

    say(one_line(text), err=as_json)
