"""The command `pptsn tune`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.device_options import MODEL_HELP
from pptsn.cli.requirements import require_runner

if TYPE_CHECKING:
    from rich.table import Table

    from pptsn.runtime.tune.run import Tuned

_SECONDS_HELP = (
    "About how long to measure. Opening and preparing engines comes on top, as do two batches of each size."
)
_DEVICE_HELP = "Where to measure: auto (a GPU if it works), cpu, cuda or cuda:N."
_CLIP_HELP = "A clip like those to come, to try decoders with; 10 s of 340x256 are drawn if not given."
_LONGEST_S = 3600


def tune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    seconds: Annotated[float, typer.Option(min=0, max=_LONGEST_S, help=_SECONDS_HELP)] = 30,
    device: Annotated[str, typer.Option(help=_DEVICE_HELP)] = "auto",
    clip: Annotated[Path | None, typer.Option(help=_CLIP_HELP)] = None,
    segments: Annotated[
        int | None, typer.Option(help="Frames to look at; if not given, as the model says.")
    ] = None,
    views: Annotated[
        str | None, typer.Option(help="Crops of each frame, as in classify; else the model's.")
    ] = None,
) -> None:
    """Find out how a model runs fastest on this machine, and keep it.

    Backends, batch sizes and numbers of threads are tried, and then how many decoders a folder of clips needs
    beside the fastest. `--backend auto` of classify, stream and evaluate, and `--decoders auto`, then take what
    was found, and say so, for as long as model, machine and versions stay the same.

    Example: pptsn tune model.int8-cpu.onnx
    """
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import notes, print_note
    from pptsn.runtime.classify.settings import ClassifySettings
    from pptsn.runtime.engines.device import named_devices
    from pptsn.runtime.engines.registry import AUTO
    from pptsn.runtime.engines.tuned import keep, require_place
    from pptsn.runtime.model.file import claims_of, protocol_of
    from pptsn.runtime.tune.run import TuneRun
    from pptsn.runtime.tune.run import tune as run

    path = Path(model)
    if path.suffix.lower() != ".onnx":
        raise UsageError("tune", f"chooses what runs .onnx files, {model} is none", "a plan runs by what built it")
    if device != AUTO and len(named_devices(device)) > 1:
        raise UsageError("--device", f"tune measures on one device, {device!r} names several", "name one of them")
    looked_at = ClassifySettings(segments=segments, views=views).changing(protocol_of(path))
    require_runner(model)
    require_place(claims_of(path).digest)
    console = notes()
    with console.status(f"measuring for about {seconds:g} s, besides opening and preparing engines"):
        found = run(
            TuneRun(
                path=path,
                seconds=seconds,
                device=device,
                clip=clip,
                looked_at=looked_at,
                unusable=lambda name, error: console.print(
                    f"pptsn: note: {name} is left out: {error}", markup=False
                ),
            )
        )
    _show(found)
    for warning in found.warnings:
        line = f"pptsn: warning: {warning}, so what was found may be due to that; tune again when it is quiet"
        console.print(line, style="yellow", markup=False)
    print_note(f"auto takes it from now on; it is kept in {keep(found.tuning)}")


def _show(found: Tuned) -> None:
    """Print all that was tried, and what was fastest."""
    from pptsn.runtime.base.progress import results

    console = results()
    console.print(_engines_table(found))
    console.print(_decoders_table(found))
    best = found.tuning.best().setting
    console.print(
        f"fastest: {best.backend} on {best.device}; threads: {best.threads or 'all'}; "
        f"crops a call: {best.batch_size}; decoders: {found.decoders}"
    )


def _engines_table(found: Tuned) -> Table:
    """Return the table of the engine's settings, the fastest first, with what was measured again."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("backend", "device", box=SIMPLE)
    for heading in ("threads", "crops a call", "crops a second", "again", "open after, s"):
        table.add_column(heading, justify="right")
    again = {each.setting: f"{each.crops_per_s:.1f}" for each in found.tuning.measured}
    for each in sorted(found.tried, key=lambda each: each.crops_per_s, reverse=True):
        setting = each.setting
        table.add_row(
            setting.backend,
            setting.device,
            str(setting.threads or "all"),
            str(setting.batch_size),
            f"{each.crops_per_s:.1f}",
            again.get(setting, ""),
            f"{each.opening_s:.2f}",
        )
    return table


def _decoders_table(found: Tuned) -> Table:
    """Return the table of what the fastest setting reaches on a folder, by the number of decoders."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    for heading in ("decoders", "clips a second"):
        table.add_column(heading, justify="right")
    for each in found.throughputs:
        table.add_row(str(each.decoders), f"{each.clips_per_s:.2f}")
    return table
