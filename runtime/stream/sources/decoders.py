"""Who decodes a source: a CPU's cores, or a GPU's own decoder (NVDEC).

No GPU was there to try a stream with: what is tested is what PyAV is asked for, and what is said where that cannot
be had.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.options import one_of, option
from pptsn.runtime.engines.device import driver_is_here

if TYPE_CHECKING:
    import av

    from pptsn.runtime.video.container import OpenVideo

SOFTWARE, CUDA, AUTO, JETSON = "software", "cuda", "auto", "jetson"
# Of 1080p H.264, an H200's decoder gives as many frames a second as so many cores (docs/performance.md).
_WORTH_CORES = 8
# As a GPU hands pictures over.
_FROM_GPU = frozenset({"nv12", "p010le", "p016le", "yuv444p", "yuv444p16le"})
# Any codec that a GPU decodes tells whether it can be used.
_PROBE = "h264"


def decoder_option(others: Iterable[str] = ()) -> Any:
    """Return the field of the option `decoder`.  others: choices beside those of all kinds."""
    choices = (SOFTWARE, CUDA, AUTO, *others)
    return option("Who decodes; software if not given.", default=None, parse=one_of(choices))


@dataclass(frozen=True)
class Decoding:
    """How a source is to be decoded.

    hwaccel: for `av.open`; None for software.  wanted: the option, where its user is to hear that it was in vain.
    refusal: why it is in vain, as known before anything is opened; "" where it is not.
    """

    hwaccel: Any = None
    wanted: str = ""
    refusal: str = ""

    def open_options(self) -> dict[str, Any]:
        """Return what `av.open` takes."""
        return {} if self.hwaccel is None else {"hwaccel": self.hwaccel}

    def note_of(self, video: OpenVideo) -> str:
        """Return what a user should know of an open source: that software decodes it; "" for nothing."""
        refusal = self.refusal
        if self.hwaccel is not None and not video.codec.is_hwaccel:
            refusal = f"the GPU does not decode {video.codec.name}"
        return self._note(refusal)

    def note_of_frame(self, frame: av.VideoFrame) -> str:
        """Return what a user should know from the first frame on: FFmpeg gives up a GPU without a word."""
        in_vain = self.hwaccel is not None and frame.format.name not in _FROM_GPU
        return self._note("the GPU does not take this stream" if in_vain else "")

    def _note(self, refusal: str) -> str:
        return f"decoder={self.wanted}: {refusal}; decoding in software" if refusal and self.wanted else ""


IN_SOFTWARE = Decoding()


def decoding(decoder: str | None) -> Decoding:
    """Return how to decode what is asked for with the option `decoder`."""
    if decoder == CUDA:
        refusal = cuda_refusal()
        return Decoding(None if refusal else _cuda(), CUDA, refusal)
    if decoder == AUTO and available_cores() < _WORTH_CORES and driver_is_here() and not cuda_refusal():
        return Decoding(_cuda())
    return IN_SOFTWARE


def cuda_refusal() -> str:
    """Return why no GPU can decode here, or ""."""
    from av.codec import Codec
    from av.codec.hwaccel import hwdevices_available
    from av.error import FFmpegError

    if CUDA not in hwdevices_available():
        return "this PyAV has no CUDA"
    try:
        _cuda().create(Codec(_PROBE, "r"))
    except (FFmpegError, NotImplementedError, OSError) as error:
        if not driver_is_here():
            return "there is no NVIDIA driver"
        reason = getattr(error, "strerror", None) or str(error)
        return f"the NVIDIA driver refuses ({str(reason).lower()})"
    return ""


def _cuda() -> Any:
    from av.codec.hwaccel import HWAccel

    return HWAccel(CUDA, allow_software_fallback=True)
