"""The backends, ours and those of other packages, and the choice of one for a model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.base.options import check_path, check_text, check_whole, options_of, parse_options
from pptsn.runtime.base.plugins import Registry
from pptsn.runtime.engines.backend import AnyBackend, Backend, Choices, NoOptions
from pptsn.runtime.engines.device import named_devices
from pptsn.runtime.engines.tuning import FAST, tuning_for

if TYPE_CHECKING:
    from pptsn.runtime.engines.base import Engine

AUTO = "auto"
# What the system can start, and none has more cores; as the option has it.
_MOST_THREADS = 1024
# What an engine has to set, as its base has no values for it.
_OF_EVERY_ENGINE = ("spec", "identity", "batch_size")
# In the order in which `auto` asks them.
BACKENDS: Registry[type[AnyBackend]] = Registry(
    "pptsn.backends",
    {
        "onnxruntime": "pptsn.runtime.engines.onnxruntime.backend:OnnxRuntimeBackend",
        "onnxruntime-tensorrt": "pptsn.runtime.engines.onnxruntime.backend:OnnxRuntimeTensorRtBackend",
        "onnxruntime-tensorrt-rtx": "pptsn.runtime.engines.onnxruntime_rtx.backend:OnnxRuntimeRtxBackend",
        "openvino": "pptsn.runtime.engines.openvino.backend:OpenVinoBackend",
        "tensorrt": "pptsn.runtime.engines.tensorrt.backend:TensorRtBackend",
        "tensorrt-rtx": "pptsn.runtime.engines.tensorrt.backend:TensorRtRtxBackend",
    },
    base=Backend,
)


def open_engine(
    path: str | Path,
    *,
    backend: str = AUTO,
    device: str = AUTO,
    threads: int | None = None,
    optimise: bool = True,
    tuning: str = FAST,
    crops: int | None = None,
) -> Engine:
    """Load the model at `path`: an .onnx file, an .engine file, which is a TensorRT plan, or what a plugin runs.

    backend: a name in BACKENDS, with options perhaps (`tensorrt?graphs=0`), or `auto`: for a plan what built it;
        for an .onnx file what `pptsn tune` found, or else OpenVINO where it is installed and known to be faster
        (see `engines.auto`), or else ONNX Runtime.  `onnxruntime-tensorrt` is ONNX Runtime with TensorRT inside;
        it builds an engine at the first start, for minutes, so `auto` never takes it; `onnxruntime-tensorrt-rtx`
        is the same with TensorRT-RTX, for RTX GPUs, and compiles for seconds.
    device: `auto`, `cpu`, `cuda`, `cuda:N`, or several GPUs that share the work, as `cuda:0,cuda:1` or `cuda:all`.
        `auto` is the first GPU where ONNX Runtime can use it, else the CPU; for a plan it is the first GPU.  A
        model quantized for CPUs runs on one.  Where a GPU could be expected, `notes` say why it is not used.
    threads: CPU threads; None takes all cores that this process may use.  A plan has no use for them.
    optimise: False runs an .onnx file as it is written, for comparisons of quantized models; a plan is what it is.
        A model quantized for TensorRT runs so on a CPU in any case.
    tuning: `fast` starts at once; `full` makes ONNX Runtime faster on a GPU, after 10 to 20 s of preparation that
        long runs are worth; `auto` goes by `crops`.  Nothing else has such a choice.
    crops: about how many are to be inferred until it is closed, for both kinds of `auto`, and for OpenVINO, which
        works on two batches side by side where there are many.  None where nobody knows, as of a stream: for
        `auto` it counts as many, OpenVINO then gives each batch all threads.

    Raises UsageError for unknown names and for a model that the backend does not run, ModelError for an unusable
    file, MissingDependencyError for a missing package, driver or device, PluginError for a broken plugin.
    """
    check_path(path, "model")
    check_text(backend, "--backend")
    check_text(device, "--device")
    name, options = parse_backend(backend)
    if threads is not None:
        check_whole(threads, "--threads", least=1, most=_MOST_THREADS)
    if crops is not None:
        check_whole(crops, "crops", least=0)
    devices = (None,) if device == AUTO else named_devices(device)
    tuning = tuning_for(tuning, crops=crops)
    choices = [
        Choices(device=one, threads=threads, optimise=optimise, tuning=tuning, crops=crops) for one in devices
    ]
    path = Path(path)
    if name != AUTO:
        return _open(BACKENDS.instance(name), path, choices, options)
    return _open_best(path, choices[0]) if len(choices) == 1 else _open(_suiting(path), path, choices)


def parse_backend(text: str) -> tuple[str, Any]:
    """Return the name of a backend, or `auto`, and its options, from `NAME` or `NAME?option=value&...`.

    Raises UsageError for a name or an option that there is not, PluginError for a plugin that cannot be used.
    """
    name, _, query = text.partition("?")
    if name != AUTO and name not in BACKENDS:
        names = ", ".join(backend_names())
        raise UsageError("--backend", f"unknown backend {name!r}", f"choose one of {names}")
    kind = NoOptions if name == AUTO else BACKENDS.instance(name).options
    return name, parse_options(kind, query.split("&") if query else (), thing=f"--backend {name}")


def backend_runs(backend: str, path: Path) -> bool:
    """Whether the files of `backend`, which `parse_backend` took, are named as `path` is."""
    kind: AnyBackend = BACKENDS.instance(parse_backend(backend)[0])
    return path.suffix.lower() in kind.suffixes


def backend_names() -> tuple[str, ...]:
    """Return what `--backend` takes: `auto`, our backends, those of plugins."""
    return (AUTO, *BACKENDS.names)


def backends_help() -> str:
    """Return the usable backends, what they run and their options: a text for `--help`."""
    return ", ".join(_described(backend) for backend in BACKENDS.usable_instances())


def failing_packages() -> frozenset[str]:
    """Return the packages whose exceptions are an engine's own failures, of all usable backends."""
    return frozenset(package for backend in BACKENDS.usable_instances() for package in backend.packages)


def _open(chosen: AnyBackend, path: Path, choices: Sequence[Choices], options: Any = None) -> Engine:
    """Open the model for each of `choices`, as one engine; options: the defaults if None."""
    options = chosen.options() if options is None else options
    with BACKENDS.told_as_plugin(chosen.name, "failed to open the model"), ExitStack() as opened:
        engines = [opened.enter_context(_opened(chosen, path, one, options)) for one in choices]
        opened.pop_all()
    if len(engines) == 1:
        return engines[0]
    from pptsn.runtime.engines.several import SeveralEngines

    return SeveralEngines(engines)


def _opened(chosen: AnyBackend, path: Path, choices: Choices, options: Any) -> Engine:
    """Open the model; raises TypeError where what a backend returns is no Engine, or says not what it is."""
    from pptsn.runtime.engines.base import Engine  # only here: it brings NumPy

    engine: object = chosen.open(path, choices, options)
    if not isinstance(engine, Engine):
        raise TypeError(f"its open() returned {engine!r}, not a pptsn.runtime.engines.Engine")
    unset = [name for name in _OF_EVERY_ENGINE if not hasattr(engine, name)]
    if unset:
        raise TypeError(f"its engine does not set {', '.join(unset)}")
    return engine


def _open_best(path: Path, choices: Choices) -> Engine:
    """Open the model by what is fastest here, as far as that is known; by what suits its file where that fails."""
    from pptsn.runtime.engines.auto import take  # only here: it brings what reads models

    taken = take(path, choices)
    if taken.backend is None:
        engine = _open(_suiting(path), path, [choices])
    else:
        try:
            name, options = parse_backend(taken.backend)
            engine = _open(BACKENDS.instance(name), path, [taken.choices], options)
            engine.batch_size = taken.batch_size or engine.batch_size
            engine.decoding = taken.decoding
        except (MissingDependencyError, UsageError) as error:  # a package that is there and does not work
            taken = replace(taken, note=f"{taken.backend} is not used: {error}")
            engine = _open(_suiting(path), path, [choices])
    engine.notes += (taken.note,) if taken.note else ()
    return engine


def _suiting(path: Path) -> AnyBackend:
    """Return the first backend that runs the file at `path`; plugins are asked for what none of ours runs."""
    suiting: AnyBackend | None = BACKENDS.first(lambda backend: backend.suits(path))
    fallback: AnyBackend = BACKENDS.instance(BACKENDS.own_names[0])  # which says what is wrong with the file
    return suiting or fallback


def _described(backend: AnyBackend) -> str:
    parts = [backend.help or "a plugin"]
    parts += [f"?{name}: {about.help}" for name, (_, about) in options_of(backend.options).items()]
    return f"{backend.name} ({'; '.join(parts)})"
