"""From an FP32 deployment graph to a verified FP16 one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.fp16.options import Fp16Options
from pptsn.convert.fp16.proof import fp16_logits
from pptsn.convert.frames import read_frames
from pptsn.convert.graph.compensation import input_moments, round_convolutions, to_nearest_fp16, with_rounded
from pptsn.convert.graph.files import check_output
from pptsn.convert.graph.network import Network, load_network
from pptsn.convert.verify.agreement import agreement
from pptsn.convert.verify.carrying import carry_on
from pptsn.convert.verify.limits import Limits
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.convert.verify.report import Report, report_path
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame, normalise

_FRAMES = 128
_PICTURES = 16


def convert_to_fp16(
    model: str | Path,
    output: str | Path,
    *,
    clips: Sequence[Source] = (),
    options: Fp16Options | None = None,
) -> Report:
    """Write the FP16 form of the FP32 deployment graph `model` to `output`, with its report; return the report.

    clips: real videos, on frames of which both models are compared; without any, drawn pictures serve.
    The figures are those of FP16 arithmetic, with every result rounded (see `pptsn.convert.fp16.proof`).
    Nothing is written where the model is not FP32 or damaged or FP16 cannot hold its values (ModelError, which
    names the tensor), or the answers differ by more (VerificationError).
    """
    options = options or Fp16Options()
    model, output = Path(model), Path(output)
    check_output(output, model)
    network = load_network(model)
    frames = read_frames(clips, network.spec, frames=_FRAMES, option="--clips") if clips else None
    crops = frames.held_out if frames else drawn_crops(_PICTURES, network.spec.crop_size)
    half = to_fp16(network)  # raises where a weight is beyond FP16
    if frames and options.compensate:
        half = to_fp16(_compensated(network, frames.calibration))
    with atomic_file(output) as temporary:
        half.write(temporary)
        with open_engine(model, device="cpu") as before, open_engine(temporary, device="cpu") as after:
            expected, written = infer_in_batches(before, crops), infer_in_batches(after, crops)
        computed = fp16_logits(half, crops, origin=network)
        limits = Limits(error_worst=options.tolerance)
        Report(str(output), str(model), limits, agreement(written, expected)).require_passed()
        skipped = frames.skipped if frames else ()
        report = Report(str(output), str(model), limits, agreement(computed, expected), skipped=skipped)
        report.require_passed()
        carry_on(model, temporary, name=output)
    report.write(report_path(output))
    return report


def _compensated(network: Network, crops: Frame) -> Network:
    """Return `network` with weights that FP16 holds, rounded such that their errors cancel on `crops`."""
    moments = input_moments(network, normalise(crops, mean=network.spec.mean, std=network.spec.std))
    rounded = round_convolutions(network, moments, lambda weights: to_nearest_fp16)
    return with_rounded(network, rounded, rounded.keys())
