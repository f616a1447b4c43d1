"""From an FP32 deployment graph to a verified INT8 one, by post-training quantization on real frames."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.fp16.proof import fp16_logits
from pptsn.convert.frames import FrameSet, read_frames
from pptsn.convert.graph.files import check_output
from pptsn.convert.graph.network import Network, load_network
from pptsn.convert.int8.calibration import CalibrationCache, observe
from pptsn.convert.int8.options import Int8Options, Recipe
from pptsn.convert.int8.recorded import Recorded, read_recorded
from pptsn.convert.int8.search import Candidate, LayerError, Quantizer, best, round_to_int8, tensors_of
from pptsn.convert.verify.agreement import agreement
from pptsn.convert.verify.carrying import carry_on
from pptsn.convert.verify.limits import Limits
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.convert.verify.report import Report, report_path
from pptsn.runtime.base.files import atomic_file, write_text
from pptsn.runtime.base.progress import StepsBar, steps_bar
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.activations import ACTIVATIONS, activations_as_json
from pptsn.runtime.model.file import ModelFile


@dataclass(frozen=True, kw_only=True)
class Int8Result:
    """What came out.

    chosen: the recipe that the file was made by; candidates: all that were judged, in the order of trial.
    layers: each convolution's own error, the worst first; empty where it was not measured.
    quantized, convolutions: how many of the convolutions are in INT8.
    frames: what was calibrated and judged on; report: the file against FP32 on the held-out frames.
    """

    chosen: Recipe
    candidates: tuple[Candidate, ...]
    layers: tuple[LayerError, ...]
    quantized: int
    convolutions: int
    frames: FrameSet
    report: Report


def convert_to_int8(
    model: str | Path,
    output: str | Path,
    sources: Sequence[Source],
    *,
    options: Int8Options,
    bar: StepsBar = steps_bar,
) -> Int8Result:
    """Write the INT8 form of the FP32 deployment graph `model` to `output`, with its report beside it.

    sources: clips to calibrate on.  bar: what shows the steps.
    Nothing is written where too few held-out frames keep their answer: the result's report has not passed then.
    Raises ModelError for a model that is no FP32 one or damaged, or overflows; InputError where the clips give too
    few frames; UsageError for a layer to skip that does not exist; what `read_recorded` raises; VerificationError
    where the crops that the model carries come out beyond what any proof of the file would allow.
    """
    model, output = Path(model), Path(output)
    check_output(output, model)
    network = load_network(model)
    options.skip.check(network)
    recorded = read_recorded(options.scales_of, network, options.target) if options.scales_of else None
    with bar("reading frames") as progress:
        frames = read_frames(
            sources, network.spec, frames=options.frames, decoders=options.decoders, progress=progress
        )
    if recorded is None:
        quantizer = _calibrated(network, frames, options, bar)
        chosen, candidates, layers = _choose(quantizer, options, bar)
    else:
        quantizer = _as_recorded(network, frames, recorded)
        chosen, candidates, layers = recorded.recipe, _judge(quantizer, [recorded.recipe], bar), []
    quantized = quantizer.build(chosen)
    if options.target == "tensorrt":
        quantized = to_fp16(quantized)
    facts = {
        **_facts(chosen, frames, options),
        **(recorded.origin if recorded else {}),
        ACTIVATIONS: activations_as_json(quantizer.activations(chosen)),
    }
    proof = _Proof(model, network, frames.held_out, options)
    with temporary_folder() as folder:
        written = folder / "model.onnx"
        quantized.write(written, quantization=facts)
        report = proof.of(written, quantized, name=output)
        if report.passed:
            carry_on(model, written, name=output)
            with atomic_file(output) as temporary:
                shutil.copyfile(written, temporary)
    convolutions = len(network.convolutions)
    result = Int8Result(
        chosen=chosen,
        candidates=tuple(candidates),
        layers=tuple(layers),
        quantized=convolutions - len(chosen.skipped),
        convolutions=convolutions,
        frames=frames,
        report=report,
    )
    if report.passed:
        _write_report(result, facts, report_path(output))
    return result


def _calibrated(network: Network, frames: FrameSet, options: Int8Options, bar: StepsBar) -> Quantizer:
    look = CalibrationCache().observe if options.cache else observe
    spec = network.spec
    views = normalise(frames.calibration, mean=spec.mean, std=spec.std)
    with bar("calibrating") as progress:
        histograms = look(network, tensors_of(network, options.target), views, progress=progress)
    rounded = None
    if options.compensate:
        with bar("rounding weights") as progress:
            rounded = round_to_int8(network, views, progress=progress)
    held_out = normalise(frames.held_out, mean=spec.mean, std=spec.std)
    return Quantizer(network, options.target, histograms, held_out, rounded=rounded)


def _as_recorded(network: Network, frames: FrameSet, recorded: Recorded) -> Quantizer:
    held_out = normalise(frames.held_out, mean=network.spec.mean, std=network.spec.std)
    scales = {recorded.recipe.method: recorded.scales}
    return Quantizer(network, recorded.recipe.target, {}, held_out, scales=scales)


def _choose(
    quantizer: Quantizer, options: Int8Options, bar: StepsBar
) -> tuple[Recipe, list[Candidate], list[LayerError]]:
    """Judge every recipe that the options allow; return the best, all of them, and the layers' own errors."""
    candidates = _judge(quantizer, options.recipes(options.skip.names), bar)
    layers: list[LayerError] = []
    if options.sensitivity or options.skip.worst:
        with bar("layer by layer") as progress:
            layers = quantizer.layer_errors(best(candidates).recipe.method, progress=progress)
    if options.skip.worst:
        skipped = tuple(layer.layer for layer in layers[: options.skip.worst])
        # Who asks for layers to be skipped gets a model without them, whatever the others' errors.
        later = _judge(quantizer, options.recipes(skipped), bar)
        return best(later).recipe, candidates + later, layers
    return best(candidates).recipe, candidates, layers


def _judge(quantizer: Quantizer, tried: Sequence[Recipe], bar: StepsBar) -> list[Candidate]:
    candidates = []
    with bar("trying methods") as progress:
        for done, recipe in enumerate(tried, 1):
            candidates.append(quantizer.judge(recipe))
            progress(done, len(tried))
    return candidates


@dataclass(frozen=True)
class _Proof:
    """What an INT8 file is compared with: the FP32 `model`, whose network is `network`, on held-out `crops`."""

    model: Path
    network: Network
    crops: Frame
    options: Int8Options

    def of(self, written: Path, quantized: Network, *, name: Path) -> Report:
        """Return the report on the file `written`, to be called `name`, without ONNX Runtime's fusions.

        For TensorRT the figures are those of FP16 arithmetic between the quantized layers, unless the file as
        ONNX Runtime computes it is worse.
        """
        files = ModelFile.open(self.model), ModelFile.open(written)
        with OnnxRuntimeEngine(files[0]) as before, OnnxRuntimeEngine(files[1], optimise=False) as after:
            expected = infer_in_batches(before, self.crops)
            figures = [agreement(infer_in_batches(after, self.crops), expected)]
        if self.options.target == "tensorrt":
            logits = fp16_logits(quantized, self.crops, origin=self.network)
            figures.insert(0, agreement(logits, expected))
        worst = min(figures, key=lambda each: each.top1)
        return Report(str(name), str(self.model), Limits(min_agreement=self.options.min_agreement), worst)


def _facts(chosen: Recipe, frames: FrameSet, options: Int8Options) -> dict[str, Any]:
    return {
        "target": chosen.target,
        "method": chosen.method,
        "placement": chosen.placement,
        "skipped_layers": list(chosen.skipped),
        "compensated": options.compensate and options.scales_of is None,
        "calibration_digest": frames.digest(),
        "calibration_frames": len(frames.calibration),
        "calibration_clips": frames.clips,
    }


def _write_report(result: Int8Result, facts: dict[str, Any], path: Path) -> None:
    values = {
        **result.report.to_dict(),
        "quantization": facts,
        "candidates": [
            {**dataclasses.asdict(candidate.recipe), **candidate.figures.to_dict()}
            for candidate in result.candidates
        ],
        "layers": [dataclasses.asdict(layer) for layer in result.layers],
        "skipped": list(result.frames.skipped),
    }
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
