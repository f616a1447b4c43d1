"""Whether `pptsn tune` chooses rightly: all that it tried, measured again in turn, beside its choice.

    python -m tools.tuning model.int8-cpu.onnx

A measurement of a machine that should do nothing else: no test, whose verdict would be of its neighbours.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.tuned import Setting
from pptsn.runtime.tune.measuring import CROPS_OF_A_LONG_RUN, crops_per_second
from pptsn.runtime.tune.run import TuneRun, folder_timer, tune
from tools.program import run, tell

Choice = TypeVar("Choice")

# A folder of so many clips is long enough to tell.
_FOLDER_S = 4.0


def main(
    model: Annotated[Path, typer.Argument(help="An .onnx file that `pptsn convert` wrote.")],
    seconds: Annotated[float, typer.Option(help="How long to tune.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="How often to measure each setting again, in turn.")] = 3,
    clip: Annotated[
        Path | None, typer.Option(help="A clip to try decoders with, if not one that is drawn.")
    ] = None,
) -> None:
    """Tune, measure all that was tried again, and print the rates beside that of the choice."""
    asked = TuneRun(path=model, seconds=seconds, clip=clip)
    found = tune(asked)
    for warning in found.warnings:
        tell(warning)
    chosen = found.tuning.best().setting
    settings = measured_again(model, [each.setting for each in found.tried], rounds=rounds)
    show(settings, chosen, "crops/s")
    numbers = {each.decoders: each.clips_per_s for each in found.throughputs}
    show(decoders_again(asked, chosen, numbers, rounds=rounds), found.decoders, "clips/s by decoders:")


def show(rates: Mapping[Choice, float], chosen: Choice, unit: str) -> None:
    """Print `rates`, the highest first, beside that of what was chosen."""
    for each, rate in sorted(rates.items(), key=lambda pair: pair[1], reverse=True):
        mark = "  <- chosen" if each == chosen else ""
        print(f"{rate / rates[chosen]:.2f} of the choice: {rate:.2f} {unit} {each}{mark}")


def measured_again(
    model: Path, settings: list[Setting], *, rounds: int, seconds: float = 1
) -> dict[Setting, float]:
    """Return the median crops a second of each setting, over `rounds` of `seconds` each."""
    rates: dict[Setting, list[float]] = {setting: [] for setting in settings}
    for number in range(rounds):
        tell(f"settings, round {number + 1} of {rounds}")
        for setting, found in rates.items():
            with open_engine(
                model,
                backend=setting.backend,
                device=setting.device,
                threads=setting.threads,
                crops=CROPS_OF_A_LONG_RUN,
            ) as engine:
                found.append(crops_per_second(engine, setting.batch_size, seconds=seconds))
    return {setting: statistics.median(found) for setting, found in rates.items()}


def decoders_again(
    asked: TuneRun, setting: Setting, numbers: Mapping[int, float], *, rounds: int, seconds: float = _FOLDER_S
) -> dict[int, float]:
    """Return the median clips a second with each number of decoders, over `rounds` folders of about `seconds`.

    numbers: the clips a second that each is known to reach.
    """
    rates: dict[int, list[float]] = {count: [] for count in numbers}
    with folder_timer(asked, setting) as seconds_for:
        for number in range(rounds):
            tell(f"decoders, round {number + 1} of {rounds}")
            for count, found in rates.items():
                clips = max(2, round(seconds * numbers[count]))
                found.append(clips / seconds_for(clips, count))
    return {count: statistics.median(found) for count, found in rates.items()}


if __name__ == "__main__":
    run(main)
