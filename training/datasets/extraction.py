"""Extracting the frames of a list's videos to folders of JPEGs, named as the published tools do: `img_00001.jpg`.

A folder of frames is complete or absent, so an extraction that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import atomic_folder, refuse_overwriting, write_text
from pptsn.runtime.base.progress import Steps, print_note
from pptsn.runtime.base.temporary import clear_leftovers
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.decoding.decoders import Decoders, decoder_count
from pptsn.runtime.frames.preprocess import resize_frame
from pptsn.runtime.frames.stored import encoded_jpeg
from pptsn.runtime.video import FrameSource, ImageFolderReader, open_video
from pptsn.training.datasets.parallel import in_parallel

_RECORD = "frames.json"
_VERSION = 1
# What the published tools call a list of videos, and that of their frames.
_VIDEOS, _FRAMES = "_videos", "_rawframes"


@dataclass(frozen=True)
class FrameSettings:
    """How frames are stored.

    short_side: in pixels, to which they are resized (`keep_aspect`); None leaves them as they are, as published.
    quality: of the JPEGs, 1 to 100.
    """

    short_side: int | None = None
    quality: int = 95


@dataclass(frozen=True)
class Extracted:
    """What became of one video.  folder: its frames', below the output.  frames: how many there are.

    error: why there are none, or "".  warnings: what is wrong with the video all the same.  was_there: its folder
    was complete before.
    """

    folder: PurePath
    frames: int = 0
    error: str = ""
    warnings: str = ""
    was_there: bool = False


@dataclass(frozen=True)
class Extraction:
    """What became of a list.

    list_file: the list of the frames, of so many lines; not there where no video could be read.
    videos: what became of each, once, in the list's order.
    """

    list_file: Path
    lines: int
    videos: list[Extracted]


def extract_frames(
    listed: Path,
    output: Path,
    *,
    prefix: Path | None = None,
    settings: FrameSettings | None = None,
    decoders: Decoders = "auto",
    progress: Steps | None = None,
) -> Extraction:
    """Extract every frame of the videos in a list into `output`, and write the list of the folders there.

    The frames of `CLASS/x.mp4` are in the folder `CLASS/x.mp4`, each as our own decoding gives it, so that frame i
    is that of the video.  The new list has the name of the old one, and a line for each video that could be read.
    progress: told the videos that are done, and those in all.
    Raises InputError where the list cannot be read or the frames cannot be written (a full disk); what is complete
    by then stays.  UsageError where `output` holds frames of other settings, or of another program.
    """
    settings = settings or FrameSettings()
    samples = read_list(listed, prefix=prefix, note=print_note)
    folders = [_folder_of(sample, listed.parent if prefix is None else prefix, listed) for sample in samples]
    list_file = output / _list_name(listed)
    refuse_overwriting(list_file, [listed])
    jobs = list(
        {folder: _Job(sample.path, folder) for sample, folder in zip(samples, folders, strict=True)}.values()
    )
    _claim(output, settings, jobs)
    processes = decoder_count(decoders, [job.video for job in jobs], busy_cores=0)
    videos = []
    done = in_parallel(_Extract(output, settings), jobs, processes=processes, lost=_lost)
    with _nothing_half_done(output, jobs), closing(done):
        for video in done:
            videos.append(video)
            if progress is not None:
                progress(len(videos), len(jobs))
    counts = {video.folder: video.frames for video in videos if not video.error}
    lines = [
        f"{folder} {counts[folder]} {sample.label}\n"
        for sample, folder in zip(samples, folders, strict=True)
        if folder in counts
    ]
    if lines:
        write_text(list_file, "".join(lines))
    return Extraction(list_file, len(lines), videos)


@dataclass(frozen=True)
class _Job:
    video: str
    folder: PurePath


@contextmanager
def _nothing_half_done(output: Path, jobs: Sequence[_Job]) -> Iterator[None]:
    """Remove, where the block fails, what the other processes, killed then, were in the midst of."""
    try:
        yield
    except BaseException:
        for place in {(output / job.folder).parent for job in jobs}:
            clear_leftovers(place)
        raise


def _folder_of(sample: Sample, root: Path, listed: Path) -> PurePath:
    """Return where the frames of `sample` belong, relative to the output."""
    try:
        folder = PurePath(sample.path).relative_to(root)
    except ValueError:
        folder = PurePath("..")
    if not folder.parts or ".." in folder.parts:
        cause = f"names {sample.path}, which does not lie in {root}"
        raise UsageError(listed, cause, "give the folder of the videos with --prefix")
    return folder


def _list_name(listed: Path) -> str:
    stem = listed.stem
    return (stem.removesuffix(_VIDEOS) + _FRAMES if stem.endswith(_VIDEOS) else stem) + listed.suffix


def _claim(output: Path, settings: FrameSettings, jobs: Sequence[_Job]) -> None:
    """Write down how frames in `output` are stored; refuse a folder that holds others.

    What an extraction wrote down that then stored nothing binds nobody, unless it is at work.
    """
    record = output / _RECORD
    text = json.dumps({"version": _VERSION, **asdict(settings)}) + "\n"
    clear_leftovers(output)  # what stays is somebody's
    is_alone = output.is_dir() and all(path == record for path in output.iterdir())
    if record.exists() and not is_alone:
        if record.read_text(encoding="utf-8", errors="replace") != text:
            cause = f"holds frames that were extracted otherwise ({_RECORD} says how)"
            raise UsageError(output, cause, "use the same --short-side and --quality, or another folder")
        return
    foreign = next((job.folder for job in jobs if (output / job.folder).exists()), None)
    if foreign is not None:
        cause = f"holds {foreign}, which was not extracted by this command"
        raise UsageError(output, cause, "choose another folder")
    write_text(record, text)


class _UnreadableError(InputError):
    """The video fails, not the place of its frames."""


@dataclass(frozen=True)
class _Extract:
    """Extracts one video, in whichever process; raises InputError where its frames cannot be written."""

    output: Path
    settings: FrameSettings

    def __call__(self, job: _Job) -> Iterator[Extracted]:
        target = self.output / job.folder
        try:
            if target.exists():
                yield Extracted(job.folder, _frames_there(target), was_there=True)
            else:
                yield self._extract(job, target)
        except _UnreadableError as error:
            yield Extracted(job.folder, error=str(error))

    def _extract(self, job: _Job, target: Path) -> Extracted:
        with _video_alone_fails():
            video = open_video(job.video)
        with suppress(OSError):  # told below; else one process could remove the folder that another is to write in
            target.parent.mkdir(parents=True, exist_ok=True)
        with video, atomic_folder(target) as folder:
            frames = 0
            for frames, jpeg in enumerate(self._jpegs(video), 1):
                (folder / f"img_{frames:05}.jpg").write_bytes(jpeg)
            if video.damage.where_all_are_asked_for().is_nearly_all:
                raise _UnreadableError(job.video, "; ".join(video.warnings), "get a whole copy")
            return Extracted(job.folder, frames, warnings="; ".join(video.warnings))

    def _jpegs(self, video: FrameSource) -> Iterator[bytes]:
        """Yield the file of each frame; raises _UnreadableError."""
        side = self.settings.short_side
        with _video_alone_fails():
            for frame in video:
                pixels = frame.pixels
                if side is not None:
                    pixels = resize_frame(pixels, short_side=side, rule="keep_aspect")
                yield encoded_jpeg(pixels, quality=self.settings.quality, thing=video.path)


@contextmanager
def _video_alone_fails() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise _UnreadableError(error.thing, error.cause, error.remedy) from error


def _frames_there(folder: Path) -> int:
    """Return how many frames an earlier run has extracted."""
    try:
        return ImageFolderReader(folder).frame_count()
    except InputError as error:
        raise _UnreadableError(error.thing, error.cause, "remove it to have it extracted again") from error


def _lost(job: _Job, how: str) -> Extracted:
    return Extracted(job.folder, error=str(InputError(job.video, how, "check the file, or use fewer --decoders")))
