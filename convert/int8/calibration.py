"""Watching a network at work: a histogram of each tensor that may be quantized, kept for the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pptsn.convert.graph.network import INPUT_NAME, Network
from pptsn.convert.graph.session import NetworkSession, Views
from pptsn.convert.int8.histogram import BINS, Histogram
from pptsn.runtime.base.caches import cache_folder
from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.progress import Steps

# To be raised with every change of what is counted.
_VERSION = 1


def observe(
    network: Network, tensors: Sequence[str], views: Views, *, progress: Steps | None = None
) -> dict[str, Histogram]:
    """Return the histograms of `tensors` of the FP32 `network` over `views` (N, 3, S, S).

    progress: called with the views done and N.
    Raises ModelError, with the tensor's name, where one takes values that are not finite.
    """
    histograms = {name: Histogram() for name in tensors}
    inside = [name for name in tensors if name != INPUT_NAME]
    session = NetworkSession(network, tensors=inside)
    done = 0
    for values in session.watch(views):
        for name, histogram in histograms.items():
            try:
                histogram.add(values[name])
            except ValueError as error:
                raise ModelError("network", f"{name!r} {error}", "the weights are damaged: train again") from error
        done += len(values[INPUT_NAME])
        if progress is not None:
            progress(done, len(views))
    return histograms


class CalibrationCache:
    """Histograms on disk, by a digest of the network, its tensors and the frames."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder("calibration")

    def observe(
        self, network: Network, tensors: Sequence[str], views: Views, *, progress: Steps | None = None
    ) -> dict[str, Histogram]:
        """Return what `observe` does, from the cache where it is there; else keep it."""
        path = self._folder / f"{_key(network, tensors, views)}.npz"
        found = _load(path)
        if found is None:
            found = observe(network, tensors, views, progress=progress)
            _store(path, found)
        return found


def _key(network: Network, tensors: Sequence[str], views: Views) -> str:
    digest = hashlib.sha256(f"{_VERSION} {BINS} {views.shape} {list(tensors)}".encode())
    digest.update(network.model.SerializeToString(deterministic=True))
    digest.update(np.ascontiguousarray(views).data)
    return digest.hexdigest()


def _load(path: Path) -> dict[str, Histogram] | None:
    """Return the histograms in `path`; None where there are none, or damaged ones, which are made again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            ranges, counts = stored["ranges"], stored["counts"]
            return {
                str(name): Histogram(float(row[0]), float(row[1]), float(row[2]), count)
                for name, row, count in zip(stored["names"], ranges, counts, strict=True)
            }
    except Exception:  # the bytes of a damaged archive decide which
        return None


def _store(path: Path, histograms: dict[str, Histogram]) -> None:
    rows = [(h.low, h.high, h.limit) for h in histograms.values()]
    counts = [h.counts for h in histograms.values()]
    try:
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, names=list(histograms), ranges=rows, counts=counts)
    except PptsnError:  # a cache that cannot be written makes the next run slower, and this one no worse
        return
