"""Whether `pptsn tune` chooses rightly: all that it tried, measured again in turn, beside its choice.

    python -m tools.tuning model.int8-cpu.onnx

A measurement of a machine that should do nothing else: no test, whose verdict would be of its neighbours.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated

import typer

from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.tuned import Measured, Setting
from pptsn.runtime.tune.measuring import crops_per_second
from pptsn.runtime.tune.search import Search
from tools.program import run, tell


def main(
    model: Annotated[Path, typer.Argument(help="An .onnx file that `pptsn convert` wrote.")],
    seconds: Annotated[float, typer.Option(help="How long to tune.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="How often to measure each setting again, in turn.")] = 3,
) -> None:
    """Tune, measure all that was tried again, and print the rates beside that of the choice."""
    tried: list[Measured] = []
    chosen = Search(path=model, seconds=seconds, tried=tried.append).fastest()[0].setting
    rates = measured_again(model, [each.setting for each in tried], rounds=rounds)
    for setting, rate in sorted(rates.items(), key=lambda pair: pair[1], reverse=True):
        mark = "  <- chosen" if setting == chosen else ""
        print(f"{rate / rates[chosen]:.2f} of the choice: {rate:.1f} crops/s, {setting}{mark}")


def measured_again(
    model: Path, settings: list[Setting], *, rounds: int, seconds: float = 1
) -> dict[Setting, float]:
    """Return the median crops a second of each setting, over `rounds` of `seconds` each."""
    rates: dict[Setting, list[float]] = {setting: [] for setting in settings}
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for setting, found in rates.items():
            with open_engine(
                model, backend=setting.backend, device=setting.device, threads=setting.threads
            ) as engine:
                found.append(crops_per_second(engine, setting.batch_size, seconds=seconds))
    return {setting: statistics.median(found) for setting, found in rates.items()}


if __name__ == "__main__":
    run(main)
