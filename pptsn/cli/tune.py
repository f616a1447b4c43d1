"""The command `pptsn tune`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.device_options import MODEL_HELP
from pptsn.cli.requirements import require_runner

if TYPE_CHECKING:
    from pptsn.runtime.engines.tuned import Measured

_DEVICE_HELP = "Where to measure: auto (a GPU if it works), cpu, cuda or cuda:N."
_LONGEST_S = 3600


def tune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    seconds: Annotated[float, typer.Option(min=0, max=_LONGEST_S, help="About how long to measure.")] = 30,
    device: Annotated[str, typer.Option(help=_DEVICE_HELP)] = "auto",
) -> None:
    """Find out how a model runs fastest on this machine, and keep it.

    Backends, batch sizes and numbers of threads are tried; `--backend auto` of classify, stream and evaluate then
    takes what was fastest, and says so, for as long as model, machine and versions stay the same.

    Example: pptsn tune model.int8-cpu.onnx
    """
    from datetime import date
    from pathlib import Path

    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import notes, print_note
    from pptsn.runtime.engines.device import named_devices
    from pptsn.runtime.engines.registry import AUTO
    from pptsn.runtime.engines.tuned import Tuning, keep, surroundings
    from pptsn.runtime.model.file import claims_of
    from pptsn.runtime.tune.search import Search

    path = Path(model)
    if path.suffix.lower() != ".onnx":
        raise UsageError("tune", f"chooses what runs .onnx files, {model} is none", "a plan runs by what built it")
    if device != AUTO and len(named_devices(device)) > 1:
        raise UsageError("--device", f"tune measures on one device, {device!r} names several", "name one of them")
    require_runner(model)
    digest = claims_of(path).digest
    tried: list[Measured] = []
    console = notes()
    with console.status("measuring"):
        search = Search(
            path=path,
            seconds=seconds,
            device=device,
            tried=tried.append,
            unusable=lambda name, error: console.print(f"pptsn: note: {name} is left out: {error}", markup=False),
        )
        found = search.fastest()
    _show(tried, found)
    kept = keep(Tuning(model=digest, machine=surroundings(), measured=found, made=date.today().isoformat()))
    print_note(f"--backend auto takes it from now on; it is kept in {kept}")


def _show(tried: list[Measured], found: tuple[Measured, ...]) -> None:
    """Print all that was tried, the fastest first, and what was measured again."""
    from rich.box import SIMPLE
    from rich.table import Table

    from pptsn.runtime.base.progress import results

    table = Table("backend", "device", box=SIMPLE)
    for heading in ("threads", "crops a call", "crops a second", "again", "open after, s"):
        table.add_column(heading, justify="right")
    again = {each.setting: f"{each.crops_per_s:.1f}" for each in found}
    for each in sorted(tried, key=lambda each: each.crops_per_s, reverse=True):
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
    console = results()
    console.print(table)
    best = found[0].setting
    console.print(f"fastest: {best.backend}, {best.threads or 'all'} threads, {best.batch_size} crops a call")
