"""What INT8 costs, and what training that rounds as its file does gains back: the program of a second table.

    python -m tools.tables.int8 -o output/tables/int8.md

By each seed a network is trained, converted, and quantized after training for the CPU; trained on for some epochs
with the rounding of that file, and quantized by its scales; and trained on as long without rounding, which tells
what the epochs alone do.  All figures are those of converted models on the test list.  What was measured is kept.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.runtime.base.files import write_text
from pptsn.runtime.classify.lists import read_list, source_of
from pptsn.training.evaluation import evaluate
from pptsn.training.export import export_model
from pptsn.training.trainer import train
from tools.program import run, tell
from tools.tables.kept import Kept, Measured
from tools.tables.narrow import narrow_networks
from tools.tables.rows import Way
from tools.tables.runs import STAGES, Bench
from tools.tables.table import markdown

RECIPE = "synthetic_hard"
FP32, POST, AWARE = "FP32", "INT8 after training", "INT8 by four more epochs with its rounding"
FP32_ON, POST_ON = "FP32, four more epochs without rounding", "INT8 after those"
ROWS = (FP32, POST, AWARE, FP32_ON, POST_ON)
ON = {
    "optimizer.epochs": 4,
    "optimizer.base_rate": 0.001,
    "optimizer.warmup_rate": 0.0001,
    "optimizer.warmup_epochs": 1,
}
# Enough for scales, and for the figures of a trial, which are of the frames held out.
_FRAMES = 256


@dataclass(frozen=True)
class Steps:
    """What is done by one seed, in `folder`."""

    bench: Bench
    seed: int
    folder: Path

    def measure(self) -> Iterator[tuple[str, int, int]]:
        """Yield a row, its right answers and all clips, as soon as each is there."""
        weights = self._train("fp32", {})
        fp32 = self._converted(weights)
        yield FP32, *self._right(fp32)
        post = self._quantized(fp32, "post.onnx")
        yield POST, *self._right(post)
        rounding = self._train("aware", {**ON, "model.pretrained": str(weights), "model.int8": str(post)})
        aware = self._quantized(self._converted(rounding), "aware.int8.onnx", scales_of=post)
        yield AWARE, *self._right(aware)
        longer = self._converted(self._train("longer", {**ON, "model.pretrained": str(weights)}))
        yield FP32_ON, *self._right(longer)
        yield POST_ON, *self._right(self._quantized(longer, "longer.int8.onnx"))

    def _train(self, name: str, changes: Mapping[str, object]) -> Path:
        train(self.bench.recipe_of(Way(name, changes), self.seed), self.folder / name)
        return self.folder / name / "last.pdparams"

    def _converted(self, weights: Path) -> Path:
        export, model = weights.parent / "export", weights.parent / "model.onnx"
        export_model(weights, export)
        convert_to_onnx(export, model).require_passed()
        return model

    def _quantized(self, model: Path, name: str, *, scales_of: Path | None = None) -> Path:
        recipe = self.bench.recipe_of(Way("fp32"), self.seed)
        clips = [source_of(sample) for sample in read_list(recipe.data.train, format=recipe.data.format)]
        options = Int8Options(
            target="cpu", frames=_FRAMES, min_agreement=0, scales_of=scales_of, decoders=0, cache=False
        )
        output = self.folder / name
        convert_to_int8(model, output, clips, options=options).report.require_passed()
        return output

    def _right(self, model: Path) -> tuple[int, int]:
        found = evaluate(self.bench.recipe_of(Way("fp32"), self.seed), model, decoders=0)
        return round(found.top1 * found.clips), found.clips


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="The table, in Markdown.")],
    root: Annotated[Path, typer.Option(help="Where data, runs and what was measured lie.")] = Path(
        "output/tables"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Of each row.")] = 3,
) -> None:
    """Train and quantize by each seed, unless that was done before, and write the table after each."""
    bench, kept = Bench(root, RECIPE), Kept(root / "int8.jsonl")
    bench.make_data()
    terms = f"{bench.terms(Way(FP32))} {bench.terms(Way(AWARE, ON))} {_FRAMES}"
    with narrow_networks(stages=STAGES):
        for seed in range(seeds):
            if not all(seed in kept.rows(terms).get(row, {}) for row in ROWS):
                kept.add(_measured(bench, terms, seed))
            write_text(output, markdown(kept.rows(terms), ROWS, plain=FP32))


def _measured(bench: Bench, terms: str, seed: int) -> list[Measured]:
    folder = bench.root / "int8"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    started_s = time.process_time()
    found = []
    for row, right, clips in Steps(bench, seed, folder).measure():
        found.append(Measured(terms, row, seed, right, clips, time.process_time() - started_s))
        tell(f"{row}, seed {seed}: {found[-1].percent:.1f} %")
    shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    run(main)
