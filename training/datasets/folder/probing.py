"""What clips are like without their content: size, rate, length; and which of them are the same."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.base.progress import Steps
from pptsn.runtime.decoding.decoders import Decoders, decoder_count
from pptsn.runtime.video import open_video
from pptsn.training.datasets.folder.classes import Clip
from pptsn.training.datasets.parallel import in_parallel

# Files that are as long as one another and begin alike are nearly always the same.
_BEGINNING_BYTES = 64 * 1024


@dataclass(frozen=True)
class Probed:
    """A clip that was opened and its first frame decoded, or why that failed.

    size: in bytes, of all its files.  width, height: of the upright picture, in pixels.  duration_s: None where it
    has no times.
    """

    clip: Clip
    size: int = 0
    frames: int = 0
    width: int = 0
    height: int = 0
    duration_s: float | None = None
    error: str = ""


def probe_clips(
    root: Path, clips: Sequence[Clip], *, decoders: Decoders = "auto", progress: Steps | None = None
) -> list[Probed]:
    """Open every clip below `root` and decode its first frame; return what was found, in the order of `clips`.

    progress: told the clips that are done, and those in all.
    """
    processes = decoder_count(decoders, [root / clip.path for clip in clips], busy_cores=0)
    probed = []
    for each in in_parallel(_Probe(root), clips, processes=processes, lost=_lost):
        probed.append(each)
        if progress is not None:
            progress(len(probed), len(clips))
    return probed


@dataclass(frozen=True)
class _Probe:
    """Probes one clip, in whichever process."""

    root: Path

    def __call__(self, clip: Clip) -> Iterator[Probed]:
        path = self.root / clip.path
        counts: list[int] = []

        def first(frames: int) -> list[int]:
            counts.append(frames)
            return [0]

        try:
            size = sum(file.stat().st_size for file in _files(path))
            with open_video(path) as video:
                (frame,) = video.read_sampled(first)
                height, width = frame.pixels.shape[:2]
                yield Probed(clip, size, counts[-1], width, height, video.duration_s())
        except InputError as error:
            yield Probed(clip, error=str(error))
        except OSError as error:
            yield Probed(clip, error=str(InputError(path, f"cannot be read ({reason_of(error)})", "check it")))


def _lost(clip: Clip, how: str) -> Probed:
    return Probed(clip, error=f"{clip.path}: {how}")


def _files(clip: Path) -> list[Path]:
    return sorted(file for file in clip.iterdir() if file.is_file()) if clip.is_dir() else [clip]


def same_clips(root: Path, probed: Sequence[Probed]) -> list[list[Probed]]:
    """Return the clips below `root` that have the same bytes as another: two or more each, in their order.

    Those that differ in length are not read.  Raises InputError where a file can be read no more.
    """

    def beginning(each: Probed) -> bytes:
        with open(_files(root / each.clip.path)[0], "rb") as stream:
            return stream.read(_BEGINNING_BYTES)

    def content(each: Probed) -> tuple[str, ...]:
        return tuple(sha256_of(file) for file in _files(root / each.clip.path))

    groups = [list(probed)]
    looks: tuple[Callable[[Probed], Hashable], ...] = (lambda each: each.size, beginning, content)
    try:
        for look in looks:
            groups = [alike for group in groups for alike in _alike(group, look)]
    except OSError as error:
        raise InputError(error.filename or root, f"cannot be read ({reason_of(error)})", "try again") from error
    return groups


def _alike(group: Sequence[Probed], look: Callable[[Probed], Hashable]) -> list[list[Probed]]:
    found: defaultdict[Hashable, list[Probed]] = defaultdict(list)
    for each in group:
        key = look(each)
        found[hashlib.sha256(key).digest() if isinstance(key, bytes) else key].append(each)
    return [alike for alike in found.values() if len(alike) > 1]
