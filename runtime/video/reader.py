"""Reading the frames of a video file: by seeking where the file allows it, from its beginning where not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.stages import DEMUX, stage
from pptsn.runtime.video.container import OpenVideo, encrypted, free_closed, open_container
from pptsn.runtime.video.damage import MARKS_DAMAGE, Damage, marks_all
from pptsn.runtime.video.faults import frameless, input_errors_only
from pptsn.runtime.video.frame import Choose, Restart, Transform, VideoFrame, gathered
from pptsn.runtime.video.index import FrameIndex, build_index
from pptsn.runtime.video.names import SIZE_CHANGES, number_of
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.video.seek import Effort, IndexSurpriseError, read_by_seeking
from pptsn.runtime.video.sequential import Findings, decode_all, pick_frames
from pptsn.runtime.video.web.address import WebFile

if TYPE_CHECKING:
    from pptsn.runtime.video.web.content import Media
    from pptsn.runtime.video.web.served import Served


class VideoReader(Closing):
    """A video file, open for reading; implements FrameSource, which documents its methods.

    path: a file of a disk, or one of a web server.
    stop: ends the look at all of its packets with an InputError, once another thread sets it.
    Raises InputError where the file cannot be opened or holds no video.
    """

    def __init__(self, path: str | Path | WebFile, *, stop: threading.Event | None = None) -> None:
        self.effort = Effort()
        self._findings: Findings | None = None
        self._count: int | None = None
        self._closed = False
        with input_errors_only(path):
            self.path = _media_of(path, stop)
            try:
                self._open(stop)
            except BaseException:
                self._let_go()
                raise

    def _open(self, stop: threading.Event | None) -> None:
        with stage(DEMUX):
            video = open_container(self.path, skim=True)
        try:
            self._learn(video, stop)
        finally:
            video.close()

    def _learn(self, video: OpenVideo, stop: threading.Event | None) -> None:
        self._area, self._codec, self._choice = video.area, video.codec.name, video.note
        self._index = build_index(video, stop=stop)
        self._trusted = self._index.trusted
        if self._index.encrypted:
            raise encrypted(self.path)
        stated_s = None if self._index.clock else video.duration_s  # which FFmpeg may have made of those times
        self._duration_s = self._index.duration_s or stated_s

    @property
    def index(self) -> FrameIndex:
        """What demuxing told about the file."""
        return self._index

    @property
    def seeks(self) -> bool:
        """Whether frames are still looked up by seeking; False once the index has proved wrong."""
        return self._trusted

    @property
    def lost_frames(self) -> int:
        """How many packets could not be decoded so far; meaningful once frames were read."""
        return self._findings.lost if self._findings else 0

    @property
    def damage(self) -> Damage:
        """How much is known to have come out damaged."""
        found = self._findings or Findings()
        absent = found.lost + self._absent
        return Damage(
            decoded=found.frames + absent,
            damaged=found.damaged + absent,
            sampled=found.taken,
            sampled_damaged=found.taken_damaged,
            marked=self._codec in MARKS_DAMAGE,
        )

    @property
    def ends_early(self) -> bool:
        """Whether the file is cut off, as far as known."""
        return bool(
            (self._findings and self._findings.cut_short) or self._index.cut_short or self._index.shortfall
        )

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the file though it can be used, as far as known; one phrase each."""
        found = self._findings or Findings()
        packets = found.frames + found.lost + self._absent
        cut_short = found.cut_short or self._index.cut_short
        early = f"the file ends early{f': {self._index.shortfall}' if self._index.shortfall else ''}"
        torn = 0 if self._codec in MARKS_DAMAGE else self._index.torn  # of which their frames tell
        taken = f", {found.taken_damaged} of the {found.taken} sampled" if found.taken else ""
        warnings = {
            f"{found.lost} of {number_of(packets, 'packet')} could not be decoded": found.lost,
            f"{self._unmade} of {number_of(packets, 'frame')} did not come out": self._unmade,
            found.late_start: found.missing,
            f"{found.damaged} of {number_of(found.frames, 'frame')} came out damaged{taken}": found.damaged,
            f"{torn} of {number_of(len(self._index.pts), 'packet')} lack a part: frames may be damaged": torn,
            f"{early}{f' ({cut_short})' if cut_short else ''}": cut_short or self._index.shortfall,
            SIZE_CHANGES: len(found.sizes) > 1,
            self._index.hidden: self._index.hidden,
            self._index.joined: self._index.joined,
            self._index.broken: self._index.broken,
            self._index.clock: self._index.clock,
            self._choice: self._choice,
            self._reading: self._reading,
        }
        return [warning for warning, met in warnings.items() if met]

    @property
    def served(self) -> Served | None:
        """By what a web server's file is known again; None for others, and where the server does not say."""
        return None if isinstance(self.path, Path) else self.path.served

    @property
    def _reading(self) -> str:
        return "" if isinstance(self.path, Path) else self.path.note(seeks=self.seeks)

    @property
    def _unmade(self) -> int:
        """How many frames a decoder dropped without a word, but for those at the beginning.

        Known where all was decoded and packets are frames.
        """
        found, promised = self._findings, self._index.promised
        if found is None or promised is None or found.frames != self._count or found.interlaced:
            return 0
        return max(0, promised - found.frames - found.lost - found.missing)

    @property
    def _absent(self) -> int:
        return self._unmade + (self._findings.missing if self._findings else 0)

    def frame_count(self) -> int:
        """Return the number of frames; decodes the file once where its index cannot be trusted."""
        self._check_open()
        if self._trusted and self._count is None:
            _exhaust(self._seek([0], None))  # an index says nothing of whether its packets can be decoded
        if self._trusted:
            return len(self._index)
        if self._count is None:
            _exhaust(self._decode_from_start([], None, whole=True))
        return self._known_count()

    def decode_all(self) -> int:
        """Decode every frame and return how many there are: damage and warnings are known to the end then."""
        self._check_open()
        _exhaust(self._decode_from_start([], None, whole=True))
        return self._known_count()

    def duration_s(self) -> float | None:
        """Return the seconds from the first frame to the end of the last; without times, what the file states."""
        return self._duration_s

    def read(self, indices: Sequence[int], *, transform: Transform | None = None) -> list[VideoFrame]:
        """Return one frame per index, in the order asked for; a repeated index gives the same object again."""
        self._check_open()
        wanted = [int(index) for index in indices]
        if not wanted:
            return []
        found: dict[int, VideoFrame] = {}
        if self._trusted:
            self._check_range(wanted, len(self._index))
            found = {frame.index: frame for frame in self._seek(wanted, transform)}
        if not self._trusted:
            self._check_range(wanted, self._count)
            found = {frame.index: frame for frame in self._decode_from_start(wanted, transform, whole=False)}
            self._check_reached(wanted)
        return [found[index] for index in wanted]

    def read_sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> list[VideoFrame]:
        """Return the frames at `choose(frame_count)`; one decode in nearly every case."""
        return gathered(self.sampled, choose, transform=transform, stop=stop)

    def sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> Iterator[VideoFrame | Restart]:
        """Yield the frames at `choose(frame_count)` as they are decoded; the file is open until the last."""
        self._check_open()
        if self._trusted:
            yield from self._seek(self._chosen(choose, len(self._index)), transform, stop)
            if self.seeks:
                return
            yield Restart()
        guess = self._count if self._count is not None else len(self._index)
        chosen = self._chosen(choose, guess) if guess else []
        yield from self._decode_from_start(chosen, transform, whole=self._count is None, stop=stop)
        count = self._known_count()
        if count != guess:
            yield Restart()
            chosen = self._chosen(choose, count)
            yield from self._decode_from_start(chosen, transform, whole=False, stop=stop)
        self._check_reached(chosen)

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames in turn, holding one at a time."""
        self._check_open()
        findings = Findings()
        with input_errors_only(self.path):
            with stage(DEMUX):
                video = open_container(self.path)
            try:
                pictures = PictureMaker(str(self.path), video.stream.time_base)
                for index, frame in enumerate(decode_all(video, findings)):
                    yield pictures.make(frame, index)
                self._note(findings, whole=True)
                self._known_count()
            finally:
                video.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.frames()

    def close(self) -> None:
        """End the use of the reader; a second call does nothing.  Between calls no file is held open."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if not isinstance(self.path, Path):
            self.path.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"{self.path}: the reader is closed")

    def _chosen(self, choose: Choose, count: int) -> list[int]:
        chosen = list(choose(count))
        self._check_range(chosen, count)
        return chosen

    def _check_range(self, wanted: Sequence[int], count: int | None) -> None:
        for index in wanted:
            if index < 0 or (count is not None and index >= count):
                there = "any" if count is None else f"0 to {count - 1}"
                raise UsageError(self.path, f"frame {index} was asked for, expected {there}")

    def _seek(
        self, wanted: Collection[int], transform: Transform | None, stop: threading.Event | None = None
    ) -> Iterator[VideoFrame]:
        """Yield the frames by seeking; where the index turns out to be wrong, end, and trust it no more."""
        try:
            with input_errors_only(self.path):
                yield from read_by_seeking(
                    self.path,
                    self._index,
                    wanted,
                    area=self._area,
                    transform=transform,
                    effort=self.effort,
                    stop=stop,
                )
            self._count = len(self._index)
        except IndexSurpriseError:
            self._trusted, self._count = False, None
        finally:
            free_closed(self._area)

    def _decode_from_start(
        self,
        wanted: Collection[int],
        transform: Transform | None,
        *,
        whole: bool,
        stop: threading.Event | None = None,
    ) -> Iterator[VideoFrame]:
        """Yield the frames by decoding all that come before them, as far as the file goes.

        whole: go on to its end.  Where the end was reached, the number of frames is known afterwards.
        """
        findings = Findings()
        missing = set(wanted)
        try:
            with input_errors_only(self.path):
                for frame in pick_frames(self.path, wanted, findings, transform=transform, whole=whole, stop=stop):
                    missing.discard(frame.index)
                    yield frame
        finally:
            free_closed(self._area)
        self._note(findings, whole=whole or bool(missing))

    def _check_reached(self, wanted: Collection[int]) -> None:
        """Raise InputError where a decode from the start ended before one of the `wanted` frames."""
        if self._count is None or max(wanted, default=-1) < self._count:
            return
        there = f"{number_of(self._known_count(), 'frame')} that can be decoded"
        cause = f"holds {there}, frame {max(wanted)} was asked for"
        raise InputError(self.path, cause, "sample it by its true number of frames")

    def _note(self, findings: Findings, *, whole: bool) -> None:
        before = self._findings
        if findings.damaged == findings.frames and marks_all(self._codec):
            findings.damaged = findings.taken_damaged = 0
        if before is None or whole or findings.frames > before.frames:
            self._findings = findings
        else:  # of what was met the longer decode knows more; of what was wanted the newer one
            self._findings = replace(before, taken=findings.taken, taken_damaged=findings.taken_damaged)
        if whole:
            self._count = findings.frames

    def _known_count(self) -> int:
        if not self._count:
            found = self._findings or Findings()
            raise frameless(
                self.path,
                lost=found.lost or self._unmade,
                failure=found.failure,
                shortfall=self._index.shortfall,
                hidden=self._index.hidden,
                has_keys=self._index.has_keys,
            )
        return self._count


def _media_of(path: str | Path | WebFile, stop: threading.Event | None) -> Media:
    if not isinstance(path, WebFile):
        return Path(path)
    from pptsn.runtime.video.web.content import WebContent  # not where no server is asked

    return WebContent(path, stop=stop)


def _exhaust(frames: Iterator[VideoFrame]) -> None:
    deque(frames, maxlen=0)
