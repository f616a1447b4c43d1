"""What is done with each failing input, and what is due: the right value, or one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Numbers of lines.
_MANY = 1_000_000
NEVER, ONCE, SOME = range(1), range(1, 2), range(1, _MANY)
_ROWS = ("-o", "OUT/rows.jsonl")
_LITTLE = ("--segments", "2", "--views", "center")
_ANSWERED = '"frames": 100, "duration_s": 4.0, '


@dataclass(frozen=True)
class Case:
    """A command line and what must come of it.

    words: of the command, with MADE/, HOSTILE/, OUT/ and MODEL in the place of folders and the model.
    codes: with one of which it ends.
    says: patterns, each with how many lines of all that it printed and wrote may have it.
    stop_s: when it gets a Ctrl-C, as it has no end of its own.
    most_mb: of memory, all its processes together.
    """

    name: str
    words: tuple[str, ...]
    codes: tuple[int, ...]
    says: Mapping[str, range] = field(default_factory=dict)
    stop_s: float | None = None
    most_mb: float = 400


def exactly(count: int) -> range:
    """Return the numbers of lines that are `count`."""
    return range(count, count + 1)


def at_least(count: int) -> range:
    """Return the numbers of lines from `count` on."""
    return range(count, _MANY)


def _classify(name: str, code: int, says: Mapping[str, range], *options: str) -> Case:
    return Case(name, ("classify", name, "--model", "MODEL", *_ROWS, *options), (code,), says)


def _stream(name: str, says: Mapping[str, range], *options: str, code: int = 0) -> Case:
    words = ("stream", name, "--model", "MODEL", "--window", "4", "--segments", "8", *_ROWS, *options)
    return Case(f"{name} (stream{' ' if options else ''}{' '.join(options)})", words, (code,), says)


_DAMAGED = "error: .*100 of 100 frames are damaged, 25 of the 25 sampled"
_WARNED = r'warning: |"warnings": .[^\]]'
_EARLY = {"warning: .*ends early: 0.5 of 4.0 s": ONCE, '"warnings": .*ends early: 0.5 of 4.0 s': ONCE}
_PREDICTION = '"type": "prediction"'
# As the tiny model sees the picture that `make.sh` draws.
_UPRIGHT = r'"top": [^}]*"score": 0\.851'
MADE = (
    _classify("whole.mp4", 0, {_ANSWERED: ONCE, _WARNED: NEVER}),
    _classify("all_damaged.mp4", 1, {f"^pptsn: {_DAMAGED}": ONCE, '"error": .*100 of 100': ONCE}),
    _classify("all_damaged_gop.mp4", 1, {f"^pptsn: {_DAMAGED}": ONCE, '"error": .*100 of 100': ONCE}),
    _classify("all_damaged.mp4", 0, {"warning: .*100 of 100 frames": ONCE}, "--accept-damaged"),
    _stream("all_damaged.mp4", {'"state": "damaged"': SOME}),
    _classify("cut.mp4", 0, _EARLY),
    _classify("cut.mkv", 0, _EARLY),
    _stream("cut.mp4", {"ends early": SOME}),
    _classify("encrypted.mp4", 1, {"error: .*is encrypted": ONCE}),
    _stream("encrypted.mp4", {"is encrypted": SOME, _PREDICTION: NEVER}, code=1),
    _classify("animated.webp", 1, {"error: .*is an animated WebP picture": ONCE, "whole file": NEVER}),
    _classify("picture_default.mkv", 0, {_ANSWERED: ONCE, "warning: .*default video track is one picture": ONCE}),
    _classify("vfr.mp4", 0, {'"duration_s": 8.0': ONCE, _WARNED: NEVER}),
    _classify("sound_longer.mkv", 0, {_ANSWERED: ONCE, _WARNED: NEVER}),
    # Lying on its side it has another score.
    _classify("sei_rotation.mp4", 0, {_ANSWERED: ONCE, _UPRIGHT: ONCE, _WARNED: NEVER}),
    _classify("@user_reel.mp4", 0, {_ANSWERED: ONCE}),
    _classify("mac/clips", 0, {'"source": ': ONCE, _ANSWERED: ONCE}),
    _classify("mac/frames", 0, {'"source": ': ONCE, '"frames": 12': ONCE}),
    _classify("suffixes", 0, {_ANSWERED: exactly(9), "left out": NEVER}),
    _stream("even.ts", {_PREDICTION: exactly(24), "clock": NEVER}),
    _stream("stall.ts", {_PREDICTION: exactly(24), "the source's clock stands still": SOME}),
    _stream("jump.ts", {_PREDICTION: exactly(24), "no frame for 3600 s": SOME}),
    _stream("jump.ts", {_PREDICTION: exactly(24), "a pause of 36.. s in the file is cut": SOME}, "--realtime"),
)


def _weights(name: str, says: str) -> Case:
    words = ("export", "--weights", f"HOSTILE/pdparams/{name}.pdparams", "-o", "OUT/export")
    return Case(f"{name}.pdparams", words, (1,), {f"^pptsn: error: .*{says}": ONCE})


def _model(name: str, code: int, says: Mapping[str, range], stop_s: float | None = None) -> Case:
    model = f"HOSTILE/onnx/{name}.onnx"
    words = ("classify", "whole.mp4", "--model", model, *_ROWS, *_LITTLE)
    return Case(f"{name}.onnx", words, (code,), says, stop_s)


def _names_others(name: str, says: str) -> Case:
    words = ("classify", f"HOSTILE/hang/{name}", "--model", "MODEL", *_ROWS)
    return Case(f"hang/{name}", words, (1,), {f"^pptsn: error: .*{says}": ONCE})


_REFUSED = "refused: it holds"
_ELSEWHERE = {"^pptsn: error: .*keeps tensors in other files": ONCE}
HOSTILE = (
    Case(
        "hang",
        ("classify", "HOSTILE/hang", "--model", "MODEL", *_ROWS),
        (1,),
        {'"source": ': exactly(3), '"top": ': exactly(2), "error: .*list of files for FFmpeg's concat": ONCE},
    ),
    _names_others("live.m3u8", "playlist of HLS"),
    _names_others("looks_like_a_video.mp4", "list of files for FFmpeg's concat"),
    _weights("dag_key", _REFUSED),
    _weights("dag_dtype_code", _REFUSED),
    _weights("dag_dtype_state", _REFUSED),
    _weights("ansi_global", _REFUSED),
    _weights("memo2g", "holds a number, expected parameters by name"),
    _weights("slice_intname", "its sliced arrays do not fit together"),
    _model("nan", 1, {"^pptsn: error: .*no finite numbers": ONCE, "NaN": NEVER}),
    _model("fixedbatch", 1, {"^pptsn: error: .*has the inputs and outputs": ONCE}),
    _model("expand", 1, {"^pptsn: error: .*has the inputs and outputs": ONCE}),
    _model("quant_list", 1, {"^pptsn: error: .*pptsn.quantization is not a JSON object": ONCE}),
    _model("crop_huge", 1, {"^pptsn: error: .*crop_huge.onnx: .*expected 1 to": ONCE}),
    _model("ext_passwd", 1, _ELSEWHERE),
    _model("labels_evil", 0, {"red": SOME}),
    _model("loop", 130, {}, stop_s=4.0),
    Case(
        "ext_passwd.onnx (convert check)", ("convert", "check", "HOSTILE/onnx/ext_passwd.onnx"), (1,), _ELSEWHERE
    ),
    Case(
        "ext_passwd.onnx (convert fp16)",
        ("convert", "fp16", "HOSTILE/onnx/ext_passwd.onnx", "-o", "OUT/fp16.onnx"),
        (1,),
        _ELSEWHERE,
    ),
    Case(
        "dag_seed.yaml",
        ("train", "HOSTILE/yaml/dag_seed.yaml", "-o", "OUT/run"),
        (2,),
        {"^pptsn: error: .*stands for more than": ONCE},
    ),
)
