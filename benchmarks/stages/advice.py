"""Which stage holds the others up, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pptsn.benchmarks.measure.results import Setting
from pptsn.runtime.base.stages import (
    AGGREGATE,
    COLOUR,
    COMPUTE,
    COPY_IN,
    COPY_OUT,
    CROP,
    DECODE,
    DECODING,
    DEMUX,
    EMIT,
    INFERENCE,
    RESIZE,
)

# Less than this share of the time nobody would notice.
_NEVER = 0.005
# From this share of the time on, a single clip's waiting deserves a remedy of its own.
_OFTEN = 0.10
# Sides that stand still for shares of the time no further apart than this are about equally fast.
_EVEN = 0.05

_LIMITS = {
    DEMUX: "reading the files",
    DECODE: "decoding video",
    COLOUR: "converting colours",
    RESIZE: "resizing",
    CROP: "cutting crops",
    COPY_IN: "copying crops to the device",
    COMPUTE: "the network",
    COPY_OUT: "copying logits from the device",
    AGGREGATE: "adding up logits",
    EMIT: "writing answers",
}


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What the two sides of the pipeline did in the `wall_s` seconds that all runs took.

    totals_s: the time of each stage.  engine_waits_s: how long the engine's thread had no frame.
    decoding_waits_s: how long decoding stood still, for want of room or of further clips.
    """

    totals_s: Mapping[str, float]
    wall_s: float
    engine_waits_s: float
    decoding_waits_s: float


def is_limited_by_decoding(balance: Balance) -> bool:
    """Whether getting frames takes longer than using them: the side that waits less holds the other one up."""
    return balance.engine_waits_s > balance.decoding_waits_s


def bottleneck(balance: Balance) -> str:
    """Return the largest stage of the side that holds the other one up."""
    side = DECODING if is_limited_by_decoding(balance) else INFERENCE
    return max(side, key=balance.totals_s.__getitem__)


def sentence(balance: Balance, settings: Mapping[str, Setting], *, clips: int) -> str:
    """Return one sentence: the bottleneck, the figures that make it one, and what to try.

    settings: precision, backend, views and segments, as the Result has them.  clips: how many a run classified.
    """
    name = bottleneck(balance)
    waits = balance.engine_waits_s / balance.wall_s
    even = abs(balance.engine_waits_s - balance.decoding_waits_s) < _EVEN * balance.wall_s
    if is_limited_by_decoding(balance):
        work_s = sum(balance.totals_s[stage] for stage in DECODING)
        found = (
            f"{name} is {_percent(balance.totals_s[name] / work_s)} of the work of getting frames, for which the "
            f"engine waits {_percent(waits)} of the time"
        )
    else:
        waiting = "never waits for frames" if waits < _NEVER else f"waits for frames {_percent(waits)} of it"
        found = (
            f"{name} takes {_percent(balance.totals_s[name] / balance.wall_s)} of the engine thread's time, "
            f"which {waiting}"
        )
    limit = f"{_LIMITS[name]} is the limit"
    if even:
        limit += ", though getting frames and using them take about equally long"
    remedies = list(_remedies(name, settings)) or ["a faster GPU"]
    if clips == 1 and waits >= _OFTEN:
        remedies.append("several clips in one call (one is then decoded while another is inferred)")
    return f"{found}: {limit}; try {_or(remedies)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _or(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])}, or {choices[-1]}"


def _remedies(name: str, settings: Mapping[str, Setting]) -> Iterator[str]:
    if name in DECODING:
        yield from _for_decoding(name, settings)
        return
    if name == COMPUTE:
        yield from _for_the_network(settings)
    elif name == COPY_IN:
        yield "a TensorRT plan (pptsn convert engine), whose copies overlap with its work"
    elif name == EMIT:
        yield "an output on a faster disk"
        return
    yield from _less_work(settings)
    if name == COMPUTE and _on_cpu(settings):
        yield "a GPU"
    if name in (CROP, AGGREGATE):  # the processor's work whatever runs the network
        yield "a faster processor"


def _for_decoding(name: str, settings: Mapping[str, Setting]) -> Iterator[str]:
    if not _on_cpu(settings):
        yield "decoders (pptsn classify --decoders; here one thread decodes)"
    if name == DEMUX:
        yield from ("files on a faster disk", "shorter files")
    else:
        yield "videos with fewer pixels"
    if name == DECODE:
        yield "key frames closer together (less is then decoded for each frame that is wanted)"
    if int(settings["segments"] or 1) > 1:
        yield "fewer segments"


def _for_the_network(settings: Mapping[str, Setting]) -> Iterator[str]:
    if _on_cpu(settings):
        if settings["precision"] != "int8":
            yield "the INT8 model (pptsn convert int8 --target cpu)"
        return
    if settings["precision"] == "fp32":
        yield "the FP16 model (pptsn convert fp16)"
    if "tensorrt" not in str(settings["backend"]).lower():
        yield "a TensorRT plan (pptsn convert engine)"
    elif settings["precision"] == "fp16":
        yield "the INT8 model (pptsn convert int8 --target tensorrt)"


def _less_work(settings: Mapping[str, Setting]) -> Iterator[str]:
    if int(settings["segments"] or 1) > 1:
        yield "fewer segments"
    if settings["views"] != "center":
        yield "--views center"


def _on_cpu(settings: Mapping[str, Setting]) -> bool:
    return " cpu" in str(settings["backend"])
