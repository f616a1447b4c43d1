"""From a Paddle export to a verified deployment graph."""

from __future__ import annotations

from pathlib import Path

from pptsn.convert.graph.classifier import Classifier, expose_features
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import check_output, write_model
from pptsn.convert.graph.from_paddle import network_from_export
from pptsn.convert.graph.simplify import simplify
from pptsn.convert.verify.agreement import agreement
from pptsn.convert.verify.carrying import carry, telling_reference
from pptsn.convert.verify.limits import FP32_TOLERANCE, Limits
from pptsn.convert.verify.reference import read_reference, verify_reference
from pptsn.convert.verify.report import Report, report_path
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.export_folder import read_export_spec
from pptsn.runtime.model.kinds import EXPORT, refuse_others

# Of the reference's crops, those of which features are looked at: logits are, of all of them.
_FEATURE_CROPS = 5


def convert_to_onnx(
    export: str | Path, output: str | Path, *, mirror: bool = True, tolerance: float = FP32_TOLERANCE
) -> Report:
    """Write the deployment graph of `export` to `output`, with its report beside it, and return the report.

    The file carries some of the export's reference, by which `pptsn verify` proves any build of it.

    Nothing is written where the logits differ from Paddle's, or from what the classifier makes of the features, by
    more than `tolerance` (VerificationError) or any step fails (ModelError, MissingDependencyError).
    """
    export, output = Path(export), Path(output)
    check_output(output)
    refuse_others(export, EXPORT)
    spec = read_export_spec(export)
    network = network_from_export(export)
    simplify(network)
    classifier = expose_features(network)
    graph, spec = compose_deployment(network, spec, mirror=mirror)
    with atomic_file(output) as temporary:
        write_model(graph, spec, temporary)
        with open_engine(temporary, backend="onnxruntime", device="cpu") as engine:
            report = verify_reference(engine, export, name=output, tolerance=tolerance)
            report.require_passed()
            stored = read_reference(export, engine)
            if classifier is not None:
                _check_features(
                    engine, classifier, stored.crops[:_FEATURE_CROPS], name=output, tolerance=tolerance
                )
            reference = telling_reference(engine, stored)
        carry(temporary, reference)
    report.write(report_path(output))
    return report


def _check_features(engine: Engine, classifier: Classifier, crops: Frame, *, name: Path, tolerance: float) -> None:
    """Raise VerificationError where `classifier` makes other logits of the features of `engine` than it gives."""
    logits, features = engine.infer_with_features(crops)
    figures = agreement(classifier.logits(features), logits)
    Report(str(name), "the classifier on its features", Limits(max_abs=tolerance), figures).require_passed()
