"""Two ranks against one, where the forward pass takes no processor: what is lost to reducing their gradients."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.data.loader import Loader
from pptsn.training.ranks.devices import Devices
from pptsn.training.ranks.supervising import supervise
from tools.steps.stepping import last_epoch, training_recipe
from tools.targets.target import Target

RANKS = Target(
    name="ranks_speedup",
    what="clips a second of two ranks whose forward pass sleeps twice a batch's loading, of one rank's",
    unit="times",
    at_least=1.8,
)
_RANKS = 2
# A card's share of the machine: as many loaders for each rank, however many ranks there are.
_WORKERS = 1
_SLEEP_PER_LOADING = 2.0
_FOLDER = Path(__file__).absolute().parents[2]


def measure_ranks(
    clips: Sequence[Path], method: Method, *, depth: int, batch_size: int, segments: int, steps: int
) -> Result:
    """Return how many times as many clips a second two ranks train on as one.

    Either trains for epochs of `steps` steps, of which the last counts, on clips that are really loaded; the
    gradients are of all parameters of a network of `depth`, and really averaged.
    """
    loading_s = _loading_s(clips, ClipSettings(num_seg=segments), batch_size=batch_size, batches=steps)
    rates: dict[int, list[float]] = {1: [], _RANKS: []}
    with tempfile.TemporaryDirectory() as name:
        for repeat in range(method.repeats):
            method.watch.look()
            for ranks, found in rates.items():
                folder = Path(name) / f"{repeat} {ranks}"
                folder.mkdir()
                listed = list(islice(cycle(clips), batch_size * ranks * steps))
                recipe = training_recipe(
                    listed, folder, depth=depth, batch_size=batch_size, segments=segments, workers=_WORKERS
                )
                (folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
                found.append(_clips_per_s(folder, ranks=ranks, sleep_s=_SLEEP_PER_LOADING * loading_s))
    gains = [many / one for one, many in zip(rates[1], rates[_RANKS], strict=True)]
    return RANKS.result(
        over_repeats(RANKS.name, gains, unit=RANKS.unit, better="higher"),
        *(
            over_repeats(f"by_{ranks}_clips_per_s", found, unit="clips/s", better="higher")
            for ranks, found in rates.items()
        ),
        settings={"depth": depth, "batch_size": batch_size, "segments": segments, "workers": _WORKERS},
        facts={"steps": steps, "loading_ms": 1000 * loading_s, "cores": os.cpu_count()},
    )


def _loading_s(clips: Sequence[Path], settings: ClipSettings, *, batch_size: int, batches: int) -> float:
    """Return the seconds in which a rank's loader has a batch, once it has had a first."""
    samples = [Sample(str(clip), 0) for clip in islice(cycle(clips), batch_size * (batches + 1))]
    with Loader(settings, batch_size=batch_size, workers=_WORKERS) as loader:
        coming = loader.batches(samples, mode="train")
        next(coming)
        started = time.monotonic()
        count = sum(1 for _ in coming)
        return (time.monotonic() - started) / count


def _clips_per_s(folder: Path, *, ranks: int, sleep_s: float) -> float:
    output = folder / "run"
    program = [
        sys.executable,
        "-m",
        "tools.steps.sleeping",
        str(folder / "recipe.yaml"),
        str(output),
        str(sleep_s),
    ]
    remedy = f"see {folder}"
    code = supervise(
        lambda resumes: program, Devices(processors=ranks), folder=_FOLDER, logs=folder, remedy=remedy
    )
    if code:
        raise PptsnError("ranks", f"a training by {ranks} ended with code {code}", remedy)
    return float(last_epoch(output)["clips_per_s"])
