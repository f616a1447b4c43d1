"""Clips for training by the loader, against the plain way: decode the whole file, then take the frames wanted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.percentiles import over_repeats, percentile
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.frames.preprocess import resize_frame
from pptsn.runtime.frames.sampling import training_indices
from pptsn.training.data.augment import training_crops
from pptsn.training.data.dataset import ClipSettings, Crops
from pptsn.training.data.loader import Loader
from pptsn.training.data.workers import worker_pool
from pptsn.training.network._paddle import select_device
from pptsn.training.network.pixels import network_input
from tools.gains.baseline import decode_whole
from tools.targets.target import Target

LOADER = Target(
    name="loader_speedup",
    what="augmented clips for training, against decoding whole files in as many processes",
    unit="times",
    at_least=1.8,
)


@dataclass(frozen=True)
class PlainClip:
    """Loads a clip the plain way: all frames, then those wanted, then the same augmentation.

    FFmpeg's threads are left at one, as the loader's are: the processes are what runs in parallel.
    """

    settings: ClipSettings

    def __call__(self, job: tuple[Sample, int]) -> Crops:
        """Return the crops of a clip, (num_seg, crop_size, crop_size, 3) uint8, drawn by the job's number."""
        sample, number = job
        rng = np.random.default_rng(number)
        frames = decode_whole(Path(sample.path), threads=1)
        chosen = [frames[index] for index in training_indices(len(frames), self.settings.num_seg, rng)]
        resized = [resize_frame(f, short_side=self.settings.short_side, rule="keep_aspect") for f in chosen]
        return training_crops(resized, size=self.settings.crop_size, rng=rng)


def measure_loader(
    samples: Sequence[Sample], settings: ClipSettings, method: Method, *, workers: int, batch_size: int
) -> Result:
    """Return how many times as many clips a second the loader gives as the plain way with as many processes.

    Either loads all of `samples` once, and makes the network's input of their batches; the start of its processes
    is included.
    """
    select_device("cpu")
    times = measure_in_turn(
        {
            "plain": partial(_load_plainly, samples, settings, workers=workers, batch_size=batch_size),
            "loader": partial(_load, samples, settings, workers=workers, batch_size=batch_size),
        },
        method,
    )
    plain, ours = ([percentile(repeat, 0.5) for repeat in times[name]] for name in ("plain", "loader"))
    gains = [slow / fast for slow, fast in zip(plain, ours, strict=True)]
    rates = {
        name: [1000 * len(samples) / ms for ms in found] for name, found in (("plain", plain), ("loader", ours))
    }
    return LOADER.result(
        over_repeats(LOADER.name, gains, unit=LOADER.unit, better="higher"),
        *(
            over_repeats(f"{name}_clips_per_s", found, unit="clips/s", better="higher")
            for name, found in rates.items()
        ),
        settings={"workers": workers, "segments": settings.num_seg, "batch_size": batch_size},
        facts={"clips": len(samples), "cores": os.cpu_count()},
    )


def _load(samples: Sequence[Sample], settings: ClipSettings, *, workers: int, batch_size: int) -> None:
    with Loader(settings, batch_size=batch_size, workers=workers) as loader:
        for batch in loader.batches(samples, mode="train"):
            network_input(batch.crops)


def _load_plainly(samples: Sequence[Sample], settings: ClipSettings, *, workers: int, batch_size: int) -> None:
    jobs = [(sample, number) for number, sample in enumerate(samples)]
    with worker_pool(workers) as pool:
        batch: list[Crops] = []
        for crops in pool.map(PlainClip(settings), jobs):
            batch.append(crops)
            if len(batch) == batch_size:
                network_input(np.stack(batch))
                batch = []
