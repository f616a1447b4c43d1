"""Which of FFmpeg's formats a file may have: those that hold what they show, none that opens other files.

A playlist, a script or a numbered sequence of pictures would have FFmpeg read whatever it names, or wait: for a
playlist that goes on, for a pipe that nobody writes to.  It may be called `clip.mp4`: FFmpeg goes by the content.
"""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.frames.picture_size import most_pixels
from pptsn.runtime.video.web.words import no_video
from pptsn.runtime.video.wholeness.look import Content, opened

# fmt: off
_VIDEO = (
    # Containers.
    "3dostr", "4xm", "amv", "anm", "argo_brp", "asf", "asf_o", "avi", "bethsoftvid", "bfi", "bink", "bmv", "c93",
    "cdxl", "cine", "dfa", "dhav", "dsicin", "dv", "dxa", "ea", "film_cpk", "filmstrip", "flic", "flv", "gdv",
    "gxf", "hnm", "hxvs", "idcin", "iff", "ifv", "ipmovie", "iv8", "ivf", "ivr", "jv", "kux", "live_flv",
    "lmlm4", "luodat", "lvf", "lxf", "matroska", "mm", "moflex", "mods", "mov", "mpeg", "mpegts", "mpegtsraw",
    "mtv", "mv", "mvi", "mxf", "mxg", "nc", "nsv", "nut", "nuv", "ogg", "paf", "pdv", "pmp", "psxstr", "pva",
    "r3d", "rl2", "rm", "roq", "rpl", "ser", "sga", "siff", "simbiosis_imx", "smjpeg", "smk", "smush", "swf",
    "thp", "tiertexseq", "tmv", "ty", "usm", "vividas", "vivo", "vmd", "wc3movie", "webm", "wsvqa", "wtv", "xmv",
    "yop", "yuv4mpegpipe",
    # Pictures one after another, without a container.
    "apv", "av1", "avs", "avs2", "avs3", "cavsvideo", "dirac", "dnxhd", "evc", "h261", "h263", "h264", "hevc",
    "ingenient", "ipu", "m4v", "mjpeg", "mjpeg_2000", "mpegvideo", "mpjpeg", "obu", "rawvideo", "v210", "v210x",
    "vc1", "vc1test", "vvc",
)
_PICTURES = (
    "apng", "bmp_pipe", "dds_pipe", "dpx_pipe", "exr_pipe", "fits", "gif", "gif_pipe", "hdr_pipe", "ico",
    "image2pipe", "j2k_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_anim", "jpegxl_pipe", "jpegxs_pipe",
    "pam_pipe", "pbm_pipe", "pcx_pipe", "pfm_pipe", "pgm_pipe", "pgmyuv_pipe", "phm_pipe", "png_pipe",
    "ppm_pipe", "psd_pipe", "qoi_pipe", "sgi_pipe", "sunrast_pipe", "tiff_pipe", "webp_pipe", "xbm_pipe",
    "xpm_pipe", "xwd_pipe",
)
# For the sake of the error, which then says what is there instead of a video.
_SOUND = (
    "aac", "ac3", "aiff", "amr", "ape", "au", "caf", "dts", "dtshd", "eac3", "flac", "mlp", "mp3", "oma", "tak",
    "truehd", "tta", "w64", "wav", "wv",
)
# fmt: on
# By one of its names each, as FFmpeg knows them; of some builds they are not all there.
FILE_FORMATS = frozenset((*_VIDEO, *_PICTURES, *_SOUND))

# What is looked at of a file that was refused, to say what it is.
_HEAD_BYTES = 4096
# A name that no protocol has.
NO_PROTOCOL = "none"
_TEXT_CONTROLS = b"\t\n\r\f\b\x1b"


@dataclass(frozen=True)
class _Opens:
    """A format that opens other files: what people call it, and a text near the beginning that tells it."""

    name: str
    mark: bytes
    at_start: bool = True


_OPENING_OTHERS = (
    _Opens("a playlist of HLS", b"#EXTM3U"),
    _Opens("a list of files for FFmpeg's concat", b"ffconcat version"),
    _Opens("a manifest of DASH", b"<MPD", at_start=False),
    _Opens("a playlist of Smooth Streaming", b"<SmoothStreamingMedia", at_start=False),
    _Opens("a description of a session (SDP)", b"v=0"),
)


def options_for_files(protocol: str = "file") -> dict[str, str]:
    """Return what keeps FFmpeg to the formats that a file may have, the file itself, and pictures of some size.

    protocol: by which FFmpeg reads it; NO_PROTOCOL where it is given the bytes.
    """
    return {
        "format_whitelist": ",".join(sorted(FILE_FORMATS)),
        "protocol_whitelist": protocol,
        **options_for_decoders(),
    }


def options_for_decoders() -> dict[str, str]:
    """Return what makes FFmpeg's decoders refuse larger pictures than may be; see `frames.picture_size`."""
    return {"max_pixels": str(most_pixels())}


def what_it_is(content: Content, *, sent: str = "") -> tuple[str, str] | None:
    """Return what a file is that FFmpeg refused, and the remedy; None where its first bytes do not tell.

    sent: what kind of text a server calls it; "" for none.
    """
    try:
        with opened(content) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:  # it was there a moment ago
        return None
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for other in _OPENING_OTHERS:
        if text.startswith(other.mark) or (not other.at_start and other.mark in text):
            remedy = "name the videos themselves, or give the address of a stream to `pptsn stream`"
            return f"is {other.name}, which opens other files; expected a video", remedy
    if sent:
        return no_video(sent)
    if head and all(byte >= 0x20 or byte in _TEXT_CONTROLS for byte in head):
        return "is a text file, expected a video", "check that it is a whole video file"
    return None
