"""What a run measures as an event file for TensorBoard: the curves of `metrics.jsonl`.

By tensorboardX's own writer of events, in this thread: a full disk is an error here, and nothing goes elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.training.metrics import writing

# Of the files' names, which go on with .out.tfevents.TIME.HOST.
_PREFIX = "events"
# How long what was written may wait for the disk, where TensorBoard sees it.
_FLUSH_S = 5.0
# What TensorBoard calls the values of an object of the metrics, by its kind.
_TAGS = {
    "iteration": {
        "loss": "train/loss",
        "label_loss": "train/label_loss",
        "soft_loss": "train/soft_loss",
        "rate": "train/rate",
    },
    "epoch": {
        "train_loss": "train/loss_of_epoch",
        "train_label_loss": "train/label_loss_of_epoch",
        "train_soft_loss": "train/soft_loss_of_epoch",
        "clips_per_s": "train/clips_per_s",
        "val_loss": "validation/loss",
        "val_top1": "validation/top1",
        "val_top5": "validation/top5",
    },
}


class EventFile(Closing):
    """An event file in `folder`, in the place of those that are there; made when the first value is written.

    records: the objects of `metrics.jsonl` until now, which it begins with.  So a run that goes on has each step
    once, whatever was written of steps that are done again.
    All methods raise InputError where it cannot be written.  Raises MissingDependencyError without tensorboardX.
    """

    def __init__(self, folder: Path, records: Iterable[Mapping[str, Any]] = ()) -> None:
        try:
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2
        except ImportError as error:
            need = f"tensorboard: true needs it ({error})"
            raise MissingDependencyError("tensorboardX", need, f"run: {install_command('tensorboard')}") from error
        self._open, self._scalar, self._events = event_file_writer.EventsWriter, summary.scalar, event_pb2
        # Absolute, as tensorboardX takes a path that begins with s3: or gs: for a place in a cloud.
        self._folder = folder.absolute()
        self._file: Any = None
        self._flushed_s = 0.0
        for record in records:
            self.write(record)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the values of `record`, an object of the metrics, that have a curve."""
        with writing(self._folder):
            tags = _TAGS.get(record["kind"], {})
            for key in (key for key in tags if key in record):
                summary = self._scalar(tags[key], record[key])
                self._add(wall_time=time.time(), step=record["iteration"], summary=summary)
            if self._file is not None and time.monotonic() - self._flushed_s > _FLUSH_S:
                self._flush()

    def close(self) -> None:
        """Bring all onto the disk, and close the file."""
        if self._file is not None:
            with writing(self._folder):
                file, self._file = self._file, None
                file.close()

    def _add(self, **fields: Any) -> None:
        if self._file is None:
            self._begin()
        self._file.write_event(self._events.Event(**fields))

    def _flush(self) -> None:
        self._file.flush()
        self._flushed_s = time.monotonic()

    def _begin(self) -> None:
        self._folder.mkdir(exist_ok=True)
        before = [*self._folder.glob(f"{_PREFIX}.out.tfevents.*")]
        for path in before:
            path.unlink()
        self._file = self._open(str(self._folder / _PREFIX))
        if before:  # a TensorBoard that has read them is to forget them
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._file.write_event(self._events.Event(wall_time=time.time(), step=0, session_log=start))
