"""One report on a device: what it is, whether the GPU tests pass, how right and how fast each precision is.

    python -m tools.device.report -o device-report.json

For whoever has a Jetson or a GPU, to send back.  Models and clips are those that `make demo` and `make engine`
leave in output/demo.  The report is written anew after every part, so that a crash keeps what was found before
it.  It is one JSON object:

    format          1
    created         when, UTC, ISO 8601
    complete        false until the last part is done
    doctor          what `pptsn doctor --json` prints
    device          board, l4t, power_mode (lines of `nvpmodel -q`), clocks_mhz, temperatures_c, gpus (nvidia-smi)
    gpu_tests       passed, failed, skipped: counts; failures: [name]; skip_reasons: {reason: count}
    settings        segments, views, seconds, labels: how accuracy and latency were measured
    models          a list, an object for each model and device:
      model, device, engine (backend and version), precision, size_bytes
      accuracy      clips, top1, top5, agreement (with the first entry that answered): shares 0..1; unreadable
      latency       a list, an object for each batch: batch (crops a call), iterations, median_ms, p90_ms, p99_ms
                    (copy in, compute, copy out), crops_per_s
      temperatures_c  after it

A part that failed is {"error": one line} in its place, and the others go on.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pptsn.benchmarks.measure.machine import device_facts, temperatures_c
from pptsn.runtime.base.errors import InputError, MissingDependencyError, PptsnError
from pptsn.runtime.base.files import write_text
from pptsn.runtime.base.progress import notes
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.doctor import examine
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.evaluate.accuracy import Answers
from pptsn.runtime.frames.views import VIEW_PLANS
from tools.device.models import BATCHES, Placement, accuracy_figures, answer, latency, placements

FORMAT = 1
_ROOT = Path(__file__).resolve().parents[2]
_TESTS_TIMEOUT_S = 1800


def attempt(part: Callable[[], Any]) -> Any:
    """Return what `part` returns, or {"error": one line}: of a device, whatever goes wrong is a finding."""
    try:
        return part()
    except Exception as error:
        text = " ".join(str(error).split())
        return {"error": text if isinstance(error, PptsnError) else f"{type(error).__name__}: {text}"}


def gpu_tests(root: Path = _ROOT) -> dict[str, Any]:
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


def read_outcome(path: Path) -> dict[str, Any]:
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
    return {
        "passed": passed,
        "failed": len(failures),
        "skipped": reasons.total(),
        "failures": failures,
        "skip_reasons": dict(reasons),
    }


@dataclass
class ModelRuns:
    """Measures models one after another; the first that answers is the reference of the others."""

    samples: list[Sample]
    segments: int
    views: str
    seconds: float
    _reference: Answers | None = field(default=None, init=False)

    def measure(self, placement: Placement) -> dict[str, Any]:
        """Return the report's object on a model; raises what opening it raises."""
        with open_engine(placement.model, device=placement.device) as engine:
            return {
                "engine": engine.description,
                "precision": engine.spec.precision,
                "size_bytes": placement.model.stat().st_size,
                "accuracy": attempt(partial(self._accuracy, engine)),
                "latency": [attempt(partial(latency, engine, batch, seconds=self.seconds)) for batch in BATCHES],
                "temperatures_c": temperatures_c(),
            }

    def _accuracy(self, engine: Engine) -> dict[str, Any]:
        found = answer(engine, self.samples, segments=self.segments, views=self.views)
        figures = accuracy_figures(found, self._reference, self.samples)
        self._reference = self._reference or found
        return figures


def make_report(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all parts, writing the report to `options.output` after each, and return it.

    Raises InputError where it cannot be written.
    """
    console = notes()
    labels = options.labels or options.demo / "data" / "test.txt"
    report: dict[str, Any] = {
        "format": FORMAT,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "complete": False,
        "settings": {
            "segments": options.segments,
            "views": options.views,
            "seconds": options.seconds,
            "labels": str(labels),
        },
    }

    def add(name: str, part: Callable[[], Any]) -> Any:
        write_text(options.output, json.dumps(report, indent=1) + "\n")
        console.print(f"measuring: {name}", markup=False)
        found = attempt(part)
        if isinstance(found, dict) and "error" in found:
            console.print(f"  failed: {found['error']}", markup=False)
        return found

    report["doctor"] = add("packages and engines", examine)
    report["device"] = add("power mode, clocks, temperatures", device_facts)
    report["gpu_tests"] = add("GPU tests", gpu_tests) if options.tests else {"error": "left out by --no-tests"}
    report["models"] = []
    found = add("labels and models", lambda: _work(options, labels, report["doctor"]))
    if isinstance(found, dict):
        report["models"] = found
    else:
        runs, places = found
        for place in places:
            entry = {"model": place.model.name, "device": place.device}
            measured = add(f"{place.model.name} on {place.device}", partial(runs.measure, place))
            report["models"].append({**entry, **measured})
    report["complete"] = True
    write_text(options.output, json.dumps(report, indent=1) + "\n")
    return report


def _work(options: argparse.Namespace, labels: Path, doctor: dict[str, Any]) -> tuple[ModelRuns, list[Placement]]:
    """Return what to measure, and on what; raises InputError without labels or models."""
    places = placements(options.demo, cuda=_cuda_works(doctor))
    if not places:
        cause = "has no model*.onnx and no model*.engine"
        raise InputError(options.demo, cause, "make them by: make demo; make engine")
    return ModelRuns(read_list(labels), options.segments, options.views, options.seconds), places


def _cuda_works(doctor: dict[str, Any]) -> bool:
    """Whether the doctor just ran a model by ONNX Runtime on a GPU."""
    return any(
        engine["name"] == "onnxruntime" and engine["device"].startswith("cuda") and engine["works"]
        for engine in doctor.get("engines", ())
    )


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("device-report.json"), help="the file to write")
    parser.add_argument("--demo", type=Path, default=Path("output/demo"), help="folder of models and data")
    parser.add_argument("--labels", type=Path, help="lines `path label`; DEMO/data/test.txt if not given")
    parser.add_argument("--segments", type=int, default=2, help="frames of each clip, as in configs/demo.yaml")
    parser.add_argument("--views", default="ten", choices=VIEW_PLANS, help="crops of each frame")
    parser.add_argument("--seconds", type=float, default=3.0, help="time to measure each batch size for")
    parser.add_argument("--no-tests", dest="tests", action="store_false", help="leave out the GPU tests")
    return parser.parse_args(arguments)


def main() -> None:
    """Write the report, and say where it is."""
    options = parse_options()
    try:
        report = make_report(options)
    except InputError as error:
        sys.exit(f"device_report: error: {error}")
    for entry in report["models"] if isinstance(report["models"], list) else ():
        print(_line(entry))
    if reason := nothing_measured(report["models"]):
        sys.exit(f"device_report: error: no model could be measured: {reason}; see {options.output}")
    print(f"wrote {options.output}: please send it back")


def nothing_measured(models: list[dict[str, Any]] | dict[str, Any]) -> str | None:
    """Return why the report's `models` hold no accuracy and no latency, as the first entry says; or None."""
    reasons = []
    for entry in models if isinstance(models, list) else [models]:
        parts = [entry] if "error" in entry else [entry["accuracy"], *entry["latency"]]
        failed = [part["error"] for part in parts if "error" in part]
        if len(failed) < len(parts):
            return None
        reasons.append(failed[0])
    return reasons[0] if reasons else "there is none"


def _line(entry: dict[str, Any]) -> str:
    """Return the figures of one model on one device for people."""
    name = f"{entry['model']:<22}{entry['device']:<6}"
    if "error" in entry:
        return f"{name}{entry['error']}"
    figures = [f"top-1 {entry['accuracy']['top1']:.2%}" if "top1" in entry["accuracy"] else "no accuracy"]
    figures += [
        f"{timed['batch']} crops {timed['median_ms']:.2f} ms ({timed['crops_per_s']:.0f}/s)"
        for timed in entry["latency"]
        if "median_ms" in timed
    ]
    return name + ", ".join(figures)


if __name__ == "__main__":
    main()
