"""What rank 0 writes of a run: metrics, their picture, checkpoints.  In the other ranks nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.checkpoint.run_folder import RunFolder, TrainingState
from pptsn.training.metrics import MetricsLog, read_metrics
from pptsn.training.plot import plot_metrics, require_plot
from pptsn.training.tensorboard import EventFile


class RunWriter(Closing):
    """Writes into `run` where `is_first` is set.  `close` may be called twice.

    title: of the picture.  keep_bytes: as in `MetricsLog`.  tensorboard: whether there is an event file as well.
    A missing Matplotlib shows here, before the work, not where the picture is drawn.
    All methods raise what `MetricsLog`, `EventFile`, `plot_metrics` and `RunFolder.commit` raise.
    """

    def __init__(
        self, run: RunFolder, *, is_first: bool, title: str, tensorboard: bool = False, keep_bytes: int = 0
    ) -> None:
        self._run, self._title = run, title
        if is_first:
            require_plot()
        self._log = MetricsLog(run.metrics, keep_bytes=keep_bytes) if is_first else None
        self._events: EventFile | None = None
        if is_first and tensorboard:
            self._events = EventFile(run.events, read_metrics(run.metrics))

    def write(self, kind: str, **values: Any) -> None:
        """Append one object to the metrics, see `MetricsLog.write`, and to the event file."""
        if self._log is not None:
            self._log.write(kind, **values)
        if self._events is not None:
            self._events.write({"kind": kind, **values})

    def draw(self) -> None:
        """Draw the metrics until now."""
        if self._log is not None:
            plot_metrics(list(read_metrics(self._run.metrics)), self._run.plot, title=self._title)

    def commit(
        self,
        state: TrainingState,
        *,
        weights: Mapping[str, Array],
        unaveraged: Mapping[str, Array],
        peer: Mapping[str, Array] | None = None,
        optimizer: Mapping[str, Array],
        spec: ModelSpec,
    ) -> None:
        """Make the checkpoint of `state`, which is given the length that the metrics have on the disk."""
        if self._log is not None:
            state = replace(state, metrics_bytes=self._log.durable_bytes())
            self._run.commit(
                state, weights=weights, unaveraged=unaveraged, peer=peer, optimizer=optimizer, spec=spec
            )

    def close(self) -> None:
        """Close the metrics."""
        for file in (self._log, self._events):
            if file is not None:
                file.close()
