"""Who decodes a stream, by stand-ins for a GPU: what PyAV is asked for, and what is said where that is in vain."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import av
import av.codec.hwaccel
import av.error
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.stream.sources import decoders
from pptsn.runtime.stream.sources.decoders import Decoding, decoding
from pptsn.runtime.stream.sources.gstreamer import jetson_pipeline
from tests.clips import write_clip
from tests.runtime.stream.sources.looking import opened


class HwAccel:
    """In place of PyAV's.  refusal: what creating a context of it raises."""

    refusal: Exception | None = None

    def __init__(self, device: str, *, allow_software_fallback: bool) -> None:
        assert (device, allow_software_fallback) == ("cuda", True)

    def create(self, codec: object) -> None:
        if self.refusal is not None:
            raise self.refusal


class Machine:
    """A machine with or without a GPU, and what `av.open` is asked for there."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.asked: list[Any] = []
        patch.setattr(HwAccel, "refusal", None)
        patch.setattr(av.codec.hwaccel, "HWAccel", HwAccel)
        self.has(cores=2)
        plainly = av.open

        def recording(*arguments: Any, hwaccel: object = None, **options: Any) -> Any:
            self.asked.append(hwaccel)
            return plainly(*arguments, **options)

        patch.setattr(av, "open", recording)

    def has(self, *, driver: bool = True, cuda: bool = True, cores: int = 2) -> None:
        self._patch.setattr(av.codec.hwaccel, "hwdevices_available", lambda: ["cuda"] if cuda else ["qsv"])
        self._patch.setattr(decoders, "driver_is_here", lambda: driver)
        self._patch.setattr(decoders, "available_cores", lambda: cores)
        if not driver:
            self._patch.setattr(
                HwAccel, "refusal", av.error.PermissionError(errno.EPERM, "Operation not permitted")
            )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", frames=12)


def frames_and_notes(text: str) -> tuple[int, tuple[str, ...]]:
    with opened(text) as source:
        return len(list(source.frames())), source.notes


@pytest.mark.parametrize("query", ["", "?decoder=software"])
def test_software_decodes_unless_something_else_is_asked_for(machine: Machine, clip: Path, query: str) -> None:
    assert frames_and_notes(f"{clip}{query}") == (12, ())
    assert machine.asked == [None]


def test_without_a_driver_software_decodes_and_one_line_says_so(machine: Machine, clip: Path) -> None:
    machine.has(driver=False)
    note = "decoder=cuda: there is no NVIDIA driver; decoding in software"
    assert frames_and_notes(f"{clip}?decoder=cuda") == (12, (note,))
    assert machine.asked == [None]


def test_a_driver_that_refuses_is_quoted(machine: Machine, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HwAccel, "refusal", av.error.ExternalError(errno.EIO, "Generic error"))
    note = "decoder=cuda: the NVIDIA driver refuses (generic error); decoding in software"
    assert frames_and_notes(f"{clip}?decoder=cuda") == (12, (note,))


def test_a_pyav_without_cuda_is_told(machine: Machine, clip: Path) -> None:
    machine.has(cuda=False)
    note = "decoder=cuda: this PyAV has no CUDA; decoding in software"
    assert frames_and_notes(f"{clip}?decoder=cuda") == (12, (note,))


def test_a_gpu_is_asked_for_and_where_it_lacks_the_codec_that_is_told(machine: Machine, clip: Path) -> None:
    frames, notes = frames_and_notes(f"{clip}?decoder=cuda")
    assert isinstance(machine.asked[0], HwAccel)
    # The stand-in for `av.open` opens the file without it, as PyAV does with a codec that no GPU knows.
    assert (frames, notes) == (12, ("decoder=cuda: the GPU does not decode h264; decoding in software",))


@pytest.mark.parametrize(("form", "in_vain"), [("nv12", False), ("p010le", False), ("yuv420p", True)])
def test_what_a_gpu_gave_up_is_seen_by_its_first_frame(form: str, in_vain: bool) -> None:
    frame = av.VideoFrame(16, 16, form)
    note = "decoder=cuda: the GPU does not take this stream; decoding in software" if in_vain else ""
    assert Decoding(object(), "cuda").note_of_frame(frame) == note
    assert Decoding(object()).note_of_frame(frame) == "", "auto says nothing"
    video: Any = SimpleNamespace(codec=SimpleNamespace(is_hwaccel=True, name="h264"))
    assert Decoding(object(), "cuda").note_of(video) == ""


@pytest.mark.parametrize(
    ("has", "by_gpu"),
    [
        ({"cores": 2}, True),
        ({"cores": 7}, True),
        ({"cores": 8}, False),
        ({"cores": 2, "driver": False}, False),
        ({"cores": 2, "cuda": False}, False),
    ],
)
def test_auto_takes_the_gpu_where_cores_are_few_and_says_nothing(
    machine: Machine, has: dict[str, Any], by_gpu: bool
) -> None:
    machine.has(**has)
    how = decoding("auto")
    assert (how.hwaccel is not None) == by_gpu
    assert (how.wanted, how.refusal) == ("", "")


def test_an_unknown_decoder_is_refused(clip: Path) -> None:
    for text in (f"{clip}?decoder=jetson", "rtsp://camera/live?decoder=nvdec"):
        with pytest.raises(UsageError, match=r"decoder=.*expected software, cuda, auto"):
            opened(text)


def test_a_jetson_decodes_by_gstreamer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for gst-launch-1.0 writes down what it is asked for, and gives a clip."""
    clip = write_clip(tmp_path / "clip.mkv", frames=9)
    program = tmp_path / "gst-launch-1.0"
    asked, last = f'printf "%s\\n" "$@" > {quote(str(tmp_path))}/asked', "for last; do :; done"
    program.write_text(f'#!/bin/sh\n{asked}\n{last}\ncat {quote(str(clip))} > "/dev/fd/${{last#fd=}}"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with opened("rtsp://user:sesame@camera/live?decoder=jetson&transport=udp", timeout_s=20) as source:
        assert source.live
        assert len(list(source.frames())) == 9
    words = (tmp_path / "asked").read_text().split("\n")
    assert words[1:4] == ["rtspsrc", "location=rtsp://user:sesame@camera/live", "protocols=udp"]
    assert "nvv4l2decoder" in words


def test_a_jetsons_pipeline_hides_credentials_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gst-launch-1.0"
    program.write_text("#!/bin/sh\necho 'ERROR: rtsp://user:sesame@camera/live: 401 Unauthorized' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="401 Unauthorized") as raised:
        opened("rtsp://user:sesame@camera/live?decoder=jetson", timeout_s=20)
    assert "sesame" not in str(raised.value)


def test_an_address_is_one_word_of_the_pipeline() -> None:
    assert "location='rtsp://camera/a b;c' protocols=tcp" in jetson_pipeline(
        "rtsp://camera/a b;c", transport="tcp"
    )
