"""From a Paddle export to a verified deployment graph."""

from __future__ import annotations

from pathlib import Path

from pptsn.convert.graph.classifier import expose_features
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import check_output, write_model
from pptsn.convert.graph.from_paddle import network_from_export
from pptsn.convert.graph.simplify import simplify
from pptsn.convert.verify.carrying import carry, telling_reference
from pptsn.convert.verify.limits import FP32_TOLERANCE
from pptsn.convert.verify.reference import read_reference, verify_reference
from pptsn.convert.verify.report import Report, report_path
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.engines import open_engine
from pptsn.runtime.model.export_folder import read_export_spec
from pptsn.runtime.model.kinds import EXPORT, refuse_others


def convert_to_onnx(
    export: str | Path, output: str | Path, *, mirror: bool = True, tolerance: float = FP32_TOLERANCE
) -> Report:
    """Write the deployment graph of `export` to `output`, with its report beside it, and return the report.

    The file carries some of the export's reference, by which `pptsn verify` proves any build of it.

    Nothing is written where the logits differ from Paddle's by more than `tolerance` (VerificationError) or
    any step fails (ModelError, MissingDependencyError).
    """
    export, output = Path(export), Path(output)
    check_output(output)
    refuse_others(export, EXPORT)
    spec = read_export_spec(export)
    network = network_from_export(export)
    simplify(network)
    expose_features(network)
    graph, spec = compose_deployment(network, spec, mirror=mirror)
    with atomic_file(output) as temporary:
        write_model(graph, spec, temporary)
        with open_engine(temporary, backend="onnxruntime", device="cpu") as engine:
            report = verify_reference(engine, export, name=output, tolerance=tolerance)
            report.require_passed()
            reference = telling_reference(engine, read_reference(export, engine))
        carry(temporary, reference)
    report.write(report_path(output))
    return report
