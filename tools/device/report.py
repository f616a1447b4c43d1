"""One report on a device: what it is, whether the GPU tests pass, how right and how fast each precision is.

    python -m tools.device.report -o device-report.json

For whoever has a Jetson or a GPU, to send back.  Models and clips are those that `make demo` and `make engine`
leave in output/demo.  The JSON file is written anew after every part, so that a crash keeps what was found before
it.  It is a report as `pptsn bench` writes them; its results, by their setting `what`:

    doctor      facts: what `pptsn doctor --json` prints
    GPU tests   passed, failed, skipped; facts: failures and skip_reasons
    accuracy    of each model and device: top-1, top-5, and agreement with the first model that answered
    call        of each model and device, for each batch: the time, copies included, and views a second

A part that failed has its error, and the others go on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import typer

from pptsn.benchmarks.measure.documents import write_report
from pptsn.benchmarks.measure.machine import temperatures_c
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs, publish, report_of
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.cli.bench.options import LeastOption, ViewsOption
from pptsn.runtime.base.errors import InputError, MissingDependencyError, ModelError
from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.doctor import examine
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.evaluate.accuracy import Answers, accuracy, same_answers
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.recognizer import Recognizer
from tools.device.trial import attempted, device_result, timed_calls, told
from tools.program import run, tell

# Crops a call: a frame of ten-crop, ten frames, a clip of 25.
BATCHES = (5, 50, 125)
_ROOT = Path(__file__).resolve().parents[2]
_TESTS_TIMEOUT_S = 1800
_OUTPUT = Path("device-report.json")


def gpu_tests(root: Path = _ROOT) -> Result:
    """Run the tests that need a GPU, in a process of their own, and return their counts and failures.

    Raises MissingDependencyError where there is no pytest or no tests, or they do not come to an end.
    """
    with tempfile.TemporaryDirectory() as folder:
        outcome = Path(folder) / "outcome.xml"
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", f"--junitxml={outcome}", "tests/gpu"]
        try:
            child = subprocess.run(
                command,
                cwd=root,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TESTS_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            cause = f"did not end within {_TESTS_TIMEOUT_S} s"
            raise MissingDependencyError("GPU tests", cause, "run: make test-gpu") from error
        if not outcome.is_file():
            lines = (child.stdout + child.stderr).strip().splitlines() or ["it printed nothing"]
            cause = f"pytest ended with status {child.returncode}: {lines[-1]}"
            raise MissingDependencyError("GPU tests", cause, "run: make test-gpu")
        return read_outcome(outcome)


def read_outcome(path: Path) -> Result:
    """Return the counts of a JUnit file, the names of the failed tests, and why others were skipped."""
    passed, failures, reasons = 0, [], Counter[str]()
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314 - our own child wrote it
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif skipped is not None:
            reasons[skipped.get("message", "")] += 1
        else:
            passed += 1
    counts = {"passed": passed, "failed": len(failures), "skipped": reasons.total()}
    return device_result(
        {"what": "GPU tests"},
        *(Measurement(name=name, unit="tests", better="", value=float(count)) for name, count in counts.items()),
        failures=failures,
        skip_reasons=dict(reasons),
    )


@dataclass(frozen=True)
class Placement:
    """A model file and the device to run it on, as `open_engine` calls it."""

    model: Path
    device: str


def placements(folder: Path, *, cuda: bool) -> list[Placement]:
    """Return all models of `folder` on each device that they are for, the FP32 model on the CPU first.

    cuda: whether ONNX Runtime reaches a GPU.  Plans need a GPU in any case; a model that was quantized for CPUs
    runs on nothing else.
    """
    graphs = sorted(folder.glob("model*.onnx"), key=lambda path: (path.name != "model.onnx", path.name))
    found = [Placement(path, "cpu") for path in graphs]
    found += [Placement(path, "cuda") for path in graphs if cuda and not _is_for_cpus(path)]
    found += [Placement(path, "cuda") for path in sorted(folder.glob("model*.engine"))]
    return found


def _is_for_cpus(model: Path) -> bool:
    try:
        return ModelFile.open(model).quantized_for == "cpu"
    except ModelError:  # opening it will say what is wrong
        return False


@dataclass
class ModelRuns:
    """Measures models one after another; the first that answers is the reference of the others."""

    samples: Sequence[Sample]
    segments: int
    views: str
    method: Method
    _reference: Answers | None = field(default=None, init=False)

    def measure(self, placement: Placement) -> Iterator[Result]:
        """Yield the accuracy of a model on a device, and the times of its calls; raises what opening it raises."""
        with open_engine(placement.model, device=placement.device) as engine:
            accuracy = {**_settings(placement), "what": "accuracy"}
            yield from attempted(accuracy, map(self._accuracy, [placement], [engine]))
            yield from timed_calls(engine, placement.model, BATCHES, self.method)

    def _accuracy(self, placement: Placement, engine: Engine) -> Result:
        """Return shares of all clips, in which one that cannot be read is wrong; agreement, of those both read."""
        sources = (sample.path for sample in self.samples)
        found = Answers.of(Recognizer(engine).classify_many(sources, segments=self.segments, views=self.views))
        right = accuracy(found.leading, [sample.label for sample in self.samples])
        shares = {"top1_percent": right.top1, "top5_percent": right.top5}
        if self._reference is not None:
            both = found.leading.keys() & self._reference.leading.keys()
            shares["agreement_percent"] = same_answers(found.leading, self._reference.leading) / max(1, len(both))
        self._reference = self._reference or found
        return device_result(
            {**_settings(placement), "what": "accuracy"},
            *(
                Measurement(name=name, unit="%", better="higher", value=100 * share, samples=right.clips)
                for name, share in shares.items()
            ),
            engine=engine.description,
            precision=engine.spec.precision,
            size_bytes=placement.model.stat().st_size,
            segments=self.segments,
            views=self.views,
            unreadable=[printable(line) for line in found.unreadable.values()],
            temperatures_c=temperatures_c(),
        )


def _settings(placement: Placement) -> dict[str, str]:
    return {"model": placement.model.name, "device": placement.device}


def measure_device(
    demo: Path, labels: Path, *, segments: int, views: str, tests: bool, method: Method
) -> Iterator[Result]:
    """Yield the results of all parts; one that fails has its error."""
    doctor: dict[str, Any] = {}

    def examined() -> Iterator[Result]:
        doctor.update(examine())
        yield device_result({"what": "doctor"}, **doctor)

    yield from attempted({"what": "doctor"}, examined())
    if tests:
        yield from attempted({"what": "GPU tests"}, _later(gpu_tests))
    yield from attempted({"what": "models"}, _models(demo, labels, doctor, segments, views, method))


def _models(
    demo: Path, labels: Path, doctor: dict[str, Any], segments: int, views: str, method: Method
) -> Iterator[Result]:
    found = placements(demo, cuda=_cuda_works(doctor))
    if not found:
        raise InputError(demo, "has no model*.onnx and no model*.engine", "make them by: make demo; make engine")
    runs = ModelRuns(read_list(labels), segments, views, method)
    for placement in found:
        method.watch.look()
        yield from attempted({**_settings(placement), "what": "model"}, runs.measure(placement))


def _later(part: Callable[[], Result]) -> Iterator[Result]:
    yield part()


def _cuda_works(doctor: dict[str, Any]) -> bool:
    """Whether the doctor just ran a model by ONNX Runtime on a GPU."""
    return any(
        engine["name"] == "onnxruntime" and engine["device"].startswith("cuda") and engine["works"]
        for engine in doctor.get("engines", ())
    )


def device_report(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "device-report.json"
    ),
    demo: Annotated[Path, typer.Option(help="Folder of models and data.")] = Path("output/demo"),
    labels: Annotated[Path | None, typer.Option(help="Labelled clips; DEMO/data/test.txt if not given.")] = None,
    segments: Annotated[int, typer.Option(help="Frames of each clip, as in configs/demo.yaml.")] = 2,
    views: ViewsOption = "ten",
    seconds: LeastOption = 3.0,
    tests: Annotated[bool, typer.Option(help="Run the GPU tests.")] = True,
) -> None:
    """Measure the demo's models on this device, and write one file to send back."""
    check_outputs([str(output)], suffixes=(".json",))
    method = Method(repeats=3, least_s=seconds, least_iterations=3)  # a slow model is not waited for
    listed = labels or demo / "data" / "test.txt"
    found: list[Result] = []
    measured = measure_device(demo, listed, segments=segments, views=views, tests=tests, method=method)
    for result in told(measured):
        found.append(result)
        write_report(report_of(found, method), output)
    publish(found, outputs=[str(output)], method=method)
    if reason := nothing_measured(found):
        raise InputError(demo, f"no model could be measured: {reason}", f"see {output}")
    tell(f"wrote {output}: please send it back")


def nothing_measured(results: Sequence[Result]) -> str | None:
    """Return why `results` hold no accuracy and no latency of a model, as the first error says; or None."""
    of_models = [result for result in results if result.settings.get("what") not in ("doctor", "GPU tests")]
    if any(result.measurements for result in of_models):
        return None
    return next((result.error for result in of_models if result.error), "there is none")


if __name__ == "__main__":
    run(device_report)
