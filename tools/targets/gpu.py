"""The targets on a GPU: one clip from file to answer, and offline views a second against the bare network.

The targets are for an FP16 model on a GPU of the class of an H100.  The functions take any device.  They have run
with "cpu" alone, for want of a GPU: what is said of one here was not seen.  tests/gpu has tests for a machine that
has one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.measure.method import Method, measure, measure_in_turn
from pptsn.benchmarks.measure.percentiles import over_repeats, percentile
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.providers import execution_providers, gpu_loading, require_provider
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.recognizer import Recognizer
from tools.gains.plain_network import Views, write_plain_network
from tools.targets.target import Target

GPU_CLIP = Target(name="gpu_clip_ms", what="one clip from file to answer on a GPU", unit="ms", at_most=60)
GPU_OFFLINE = Target(
    name="gpu_share_of_network_percent",
    what="views a second offline on a GPU, of the bare network's with its data on the device",
    unit="%",
    at_least=80,
)

_PRECISIONS = ("fp32", "fp16")
# ONNX Runtime, which the targets name, whatever else `auto` may take.
_BACKEND = "onnxruntime"
# Batches in one iteration: filling the first one and waiting for the last one is part of offline work, but a small
# one.
_BATCHES = 8


def measure_gpu_clip(
    model: Path, clip: Path, method: Method, *, device: str, segments: int = 25, views: str = "ten"
) -> Result:
    """Return the time that a Recognizer, once open, takes from a clip's file to its answer.

    device: as `open_engine` has it: "cuda", "cuda:1", "cpu".  Raises what opening and classifying raise.
    """
    with open_engine(model, backend=_BACKEND, device=device) as engine:
        recognizer = Recognizer(engine)
        decode_ms: list[float] = []

        def run() -> None:
            answer = recognizer.classify(clip, segments=segments, views=views)
            decode_ms.append(answer.timing.decode_ms)

        times_ms = measure(run, method)
        settings = {**_settings(engine, model), "clip": clip.name, "segments": segments, "views": views}
    return GPU_CLIP.result(
        _medians(GPU_CLIP.name, times_ms),
        settings=settings,
        remark=f"Decoding and resizing, partly at the same time, took {percentile(decode_ms, 0.5):.3g} ms.",
    )


def measure_gpu_offline(model: Path, method: Method, *, device: str, batches: int = _BATCHES) -> Result:
    """Return the views a second of the engine by its own path, as a share of the bare network's.

    The engine's path begins with uint8 crops on the host: they are copied into its batches and to the device,
    mirrored and normalised there, and their logits come back and are added up.  The bare network takes as many
    normalised float views a call, which lie on the device already, and leaves its logits there.  Both run in turn.

    model: in FP32 or FP16; the bare network is cut out of it.  device: as `open_engine` has it, but not "auto".
    batches: calls in an iteration.

    Raises UsageError for another precision, ModelError for a model that is no such deployment graph, and
    MissingDependencyError without what the device or the cutting needs.
    """
    spec = ModelFile.open(model).spec
    if spec.precision not in _PRECISIONS:
        cause = f"the bare network is not measured in {spec.precision.upper()}"
        raise UsageError(str(model), cause, "name a model in FP16 or FP32")
    each = 2 if spec.mirror else 1
    with open_engine(model, backend=_BACKEND, device=device) as engine, tempfile.TemporaryDirectory() as folder:
        crops = drawn_crops(engine.batch_size, spec.crop_size)
        network_file = write_plain_network(model, Path(folder) / "network.onnx", precisions=_PRECISIONS)
        with DeviceNetwork(
            network_file, _views(crops, engine), device=device, precision=spec.precision
        ) as network:
            times = measure_in_turn(
                {
                    "engine": lambda: _run_engine(engine, crops, batches),
                    "network": lambda: _run_network(network, batches),
                },
                method,
            )
        settings = {**_settings(engine, model), "batch": engine.batch_size}
    views = batches * each * len(crops)
    medians = {name: [percentile(times_ms, 0.5) for times_ms in repeats] for name, repeats in times.items()}
    shares = [100 * bare / own for own, bare in zip(medians["engine"], medians["network"], strict=True)]
    return GPU_OFFLINE.result(
        over_repeats(GPU_OFFLINE.name, shares, unit="%", better="higher"),
        _rate("views_per_s", views, medians["engine"], better="higher"),
        _rate("network_views_per_s", views, medians["network"], better=""),
        settings=settings,
        facts={"views_per_call": each * len(crops)},
    )


class DeviceNetwork(Closing):
    """A network of float views, bound once to `views` and to room for its logits, both on the device.

    A deployment graph takes its uint8 crops in the same way.
    precision: as `execution_providers` has it.  options: of the device's provider, beside ours.
    Raises MissingDependencyError where the device does not start.
    """

    def __init__(
        self,
        path: Path,
        views: Views | Frame,
        *,
        device: str,
        precision: str,
        options: Mapping[str, str] | None = None,
    ) -> None:
        onnxruntime, where = import_onnxruntime(), Device.parse(device)
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = available_cores()
        session_options.log_severity_level = 3
        providers = execution_providers(onnxruntime, where, precision=precision)
        if options and isinstance(providers[0], tuple):
            name, ours = providers[0]
            providers[0] = name, {**ours, **options}
        with gpu_loading(onnxruntime, where) as output:
            self._session: Any = onnxruntime.InferenceSession(str(path), session_options, providers=providers)
        require_provider(self._session, where, output=output.getvalue())
        self._session.disable_fallback()
        (source,), (result, *_) = self._session.get_inputs(), self._session.get_outputs()  # the first are logits
        new, at = onnxruntime.OrtValue, (where.kind, where.index)
        self._logits: Any = new.ortvalue_from_shape_and_type([len(views), result.shape[1]], np.float32, *at)
        self._binding: Any = self._session.io_binding()
        self._binding.bind_ortvalue_input(source.name, new.ortvalue_from_numpy(views, *at))
        self._binding.bind_ortvalue_output(result.name, self._logits)

    def run(self) -> None:
        """Infer the views; the device has done so on return."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()

    def logits(self) -> Logits:
        """Return a copy of the logits (N, C) of the last run, on the host."""
        copy: Logits = self._logits.numpy()
        return copy

    def close(self) -> None:
        """Release the network and its memory."""
        self._binding = self._logits = self._session = None


def _views(crops: Frame, engine: Engine) -> Views:
    """Return the normalised views that the engine's graph makes of `crops`."""
    spec = engine.spec
    both = np.concatenate([crops, crops[:, :, ::-1]]) if spec.mirror else crops
    return normalise(both, mean=spec.mean, std=spec.std)


def _run_engine(engine: Engine, crops: Frame, batches: int) -> Logits:
    """Classify `crops`, so many times over, as one clip; return its mean logits (C,)."""
    with CropBatcher(engine, views="center") as batcher:
        for _ in range(batches):
            for crop in crops:
                batcher.add(0, crop, 1)
        batcher.flush()
        gathered = batcher.take(0)
    if gathered is None:
        raise ValueError("no crops")
    return gathered.mean()


def _run_network(network: DeviceNetwork, batches: int) -> None:
    for _ in range(batches):
        network.run()


def _settings(engine: Engine, model: Path) -> dict[str, Setting]:
    return {"model": model.name, "precision": engine.spec.precision, "backend": backend_name(engine)}


def _medians(name: str, repeats: list[list[float]]) -> Measurement:
    values = [percentile(times_ms, 0.5) for times_ms in repeats]
    return over_repeats(name, values, unit="ms", better="lower", samples=sum(map(len, repeats)))


def _rate(name: str, views: int, times_ms: list[float], *, better: str) -> Measurement:
    rates = [1000 * views / time_ms for time_ms in times_ms]
    return over_repeats(name, rates, unit="views/s", better=better)
