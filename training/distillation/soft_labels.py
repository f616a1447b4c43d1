"""A teacher's logits that are written once and read again: a file for each drawing of the training list's crops.

Which crops a clip is seen with follows from the seed, the number of the drawing and the clip's place in the list,
and so do a file's rows, whichever epoch, batch or rank asked for them.  Rank 0 alone reads and writes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.files import atomic_file, require_writable
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.distillation.teacher import Logits
from pptsn.training.ranks.group import Ranks

_FORMAT = 1
# What of the settings makes no other crops.
_NEUTRAL = ("max_unreadable", "draws")


def origin(*, teacher: str, clips: str, seed: int, settings: ClipSettings) -> dict[str, Any]:
    """Return what soft labels follow from, as JSON has it.

    teacher, clips: the SHA-256 of its file and of the training list.  seed, settings: by which crops are drawn.
    """
    drawing = {name: v for name, v in dataclasses.asdict(settings).items() if name not in _NEUTRAL}
    drawing["colours"] = drawing.pop("jitter")  # as users know it
    told = {"format": _FORMAT, "teacher": teacher, "training list": clips, "seed": seed, **drawing}
    values: dict[str, Any] = json.loads(json.dumps(told))
    return values


class SoftLabels:
    """Logits (clips, classes) float32 of each drawing, in `folder`; rows of clips that had no turn yet are NaN.

    origin: what they follow from, see `origin`.
    Raises UsageError where files in `folder` follow from something else, InputError where it cannot be written.
    """

    def __init__(self, folder: Path, origin: Mapping[str, Any], *, clips: int, classes: int, ranks: Ranks) -> None:
        self._folder, self._origin, self._ranks = folder, dict(origin), ranks
        self._shape = (clips, classes)
        self._draw, self._known = 0, self._unknown()
        self._new: set[int] = set()  # places in the list
        self._kept = self._damaged = 0
        with ranks.together():
            if ranks.is_first:
                self._look_around()

    def line(self, draws: int | None) -> str:
        """Return what a user should know of them; draws: how many the recipe asks for."""
        of = "each epoch" if draws is None else f"each of {draws} drawings of crops"
        damaged = f", {self._damaged} damaged, to be made again" if self._damaged else ""
        return f"{self._folder}: soft labels are kept here, a file for {of}; {self._kept} there{damaged}"

    def begin(self, draw: int) -> None:
        """Take over what is kept of the drawing `draw`, in all ranks."""
        self._draw, self._new = draw, set()
        with self._ranks.together():
            kept = self._read(self._path(draw)) if self._ranks.is_first else None
        found = self._unknown() if kept is None else kept
        self._known = self._ranks.first_arrays({"logits": found})["logits"]

    def answers(self, indices: npt.NDArray[np.int64], ask: Callable[[npt.NDArray[np.int64]], Logits]) -> Logits:
        """Return the logits (B, classes) of the clips at these places in the list.

        ask: gives those of the rows, of the batch, that are not known.
        """
        rows = np.flatnonzero(np.isnan(self._known[indices]).any(axis=1))
        if len(rows):
            self._known[indices[rows]] = ask(rows)
            self._new.update(indices[rows].tolist())
        return self._known[indices]

    def end(self) -> None:
        """Write what was asked for since `begin`, by all ranks; raises InputError where it cannot be written."""
        places = np.fromiter(self._new, np.int64, len(self._new))
        rows = self._known[places]
        told = self._ranks.gather_bytes(places.tobytes() + rows.tobytes())
        with self._ranks.together():
            if self._ranks.is_first and any(told):
                for part in told:
                    self._take(part)
                self._write(self._path(self._draw))

    def _take(self, part: bytes) -> None:
        count = len(part) // (8 + 4 * self._shape[1])
        places = np.frombuffer(part, np.int64, count)
        self._known[places] = np.frombuffer(part, np.float32, offset=8 * count).reshape(count, self._shape[1])

    def _path(self, draw: int) -> Path:
        return self._folder / f"soft-labels-{draw:04d}.npz"

    def _unknown(self) -> Logits:
        return np.full(self._shape, np.nan, np.float32)

    def _look_around(self) -> None:
        """Refuse files that follow from something else, and a place that cannot be written."""
        require_writable(self._path(0))
        for path in sorted(self._folder.glob("soft-labels-*.npz")):
            found = _origin_at(path)
            if found is None:
                self._damaged += 1
                continue
            self._kept += 1
            differing = [name for name in self._origin if found.get(name) != self._origin[name]]
            if differing:
                cause = f"holds soft labels that differ from this training in {', '.join(differing)}"
                raise UsageError(path, cause, "choose another distillation.soft_labels, or remove the file")

    def _read(self, path: Path) -> Logits | None:
        """Return the logits in `path`; None where there are none, or damaged ones, which are made again."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                logits = stored["logits"]
                sound = json.loads(str(stored["origin"])) == self._origin
        except Exception:  # the bytes of a damaged archive decide which
            return None
        return logits if sound and (logits.shape, logits.dtype) == (self._shape, np.float32) else None

    def _write(self, path: Path) -> None:
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, logits=self._known, origin=np.array(json.dumps(self._origin)))


def _origin_at(path: Path) -> dict[str, Any] | None:
    """Return what the soft labels in `path` follow from; None where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = json.loads(str(stored["origin"]))
    except Exception:  # as above
        return None
    return found if isinstance(found, dict) else None
