"""Crops of real clips, and what the CPU says of them.

    python -m tools.device.make_reference CLIPS MODEL... -o reference.npz

A device that lacks a decoder, or the CPU's engine, compares its own answers with this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pptsn.benchmarks.measure.engines import cut_crops
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.decoding.clips import ClipFrame, clip_frames
from pptsn.runtime.engines import open_engine
from tools.program import run

_CLIPS = 16


def make_reference(
    clips: Annotated[str, typer.Argument(help="A folder of clips, or one; the first 16 are taken.")],
    models: Annotated[list[Path], typer.Argument(help="ONNX files of one training, in FP16 and INT8, say.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("reference.npz"),
) -> None:
    """Write the middle crop of a frame of each clip, and its logits by each model, under the model's name."""
    sources = [source for source in expand_sources([clips]) if isinstance(source, str)][:_CLIPS]
    found: dict[str, np.ndarray] = {}
    for model in models:
        with open_engine(model, device="cpu") as engine:
            if not found:
                items = clip_frames(sources, engine.spec, segments=1, rule="centre")
                frames = [item.pixels for item in items if isinstance(item, ClipFrame)]
                if not frames:
                    raise InputError(clips, "holds no clip that can be read", "name another")
                found["crops"] = cut_crops(frames, engine, "center")
            found[model.name] = engine.infer(found["crops"])
    with atomic_file(output) as temporary, temporary.open("wb") as file:
        np.savez(file, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    run(make_reference)
