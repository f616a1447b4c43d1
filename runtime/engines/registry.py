"""The backends, ours and those of other packages, and the choice of one for a model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import options_of, parse_options
from pptsn.runtime.base.plugins import Registry
from pptsn.runtime.engines.backend import AnyBackend, Backend, Choices, NoOptions
from pptsn.runtime.engines.device import named_devices
from pptsn.runtime.engines.tuning import FAST, tuning_for

if TYPE_CHECKING:
    from pptsn.runtime.engines.base import Engine

AUTO = "auto"
# In the order in which `auto` asks them.
BACKENDS: Registry[type[AnyBackend]] = Registry(
    "pptsn.backends",
    {
        "onnxruntime": "pptsn.runtime.engines.onnxruntime.backend:OnnxRuntimeBackend",
        "onnxruntime-tensorrt": "pptsn.runtime.engines.onnxruntime.backend:OnnxRuntimeTensorRtBackend",
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
) -> Engine:
    """Load the model at `path`: an .onnx file, an .engine file, which is a TensorRT plan, or what a plugin runs.

    backend: a name in BACKENDS, with options perhaps (`tensorrt?graphs=0`), or `auto`: ONNX Runtime for an .onnx
        file, and what built it for a plan.  `onnxruntime-tensorrt` is ONNX Runtime with TensorRT inside; it builds
        an engine at the first start, for minutes, so `auto` never takes it.
    device: `auto`, `cpu`, `cuda`, `cuda:N`, or several GPUs that share the work, as `cuda:0,cuda:1` or `cuda:all`.
        `auto` is the first GPU where ONNX Runtime can use it, else the CPU; for a plan it is the first GPU.  A
        model quantized for CPUs runs on one.  Where a GPU could be expected, `notes` say why it is not used.
    threads: CPU threads; None takes all cores that this process may use.  A plan has no use for them.
    optimise: False runs an .onnx file as it is written, for comparisons of quantized models; a plan is what it is.
        A model quantized for TensorRT runs so on a CPU in any case.
    tuning: `fast` starts at once; `full` makes ONNX Runtime faster on a GPU, after 10 to 20 s of preparation that
        long runs are worth; `auto` is `fast`, as nothing is known of the run.  Nothing else has such a choice.

    Raises UsageError for unknown names and for a model that the backend does not run, ModelError for an unusable
    file, MissingDependencyError for a missing package, driver or device, PluginError for a broken plugin.
    """
    name, options = parse_backend(backend)
    if threads is not None and threads < 1:
        raise UsageError("--threads", f"expected at least 1, got {threads}")
    devices = (None,) if device == AUTO else named_devices(device)
    tuning = tuning_for(tuning, views=0)
    choices = [Choices(device=one, threads=threads, optimise=optimise, tuning=tuning) for one in devices]
    chosen: AnyBackend = _suiting(Path(path)) if name == AUTO else BACKENDS.instance(name)
    with BACKENDS.told_as_plugin(chosen.name, "failed to open the model"):
        return _opened(chosen, Path(path), choices, options if name != AUTO else chosen.options())


def _opened(backend: AnyBackend, path: Path, choices: Sequence[Choices], options: Any) -> Engine:
    """Return an engine for each of `choices`, as one where there are several."""
    if len(choices) == 1:
        return backend.open(path, choices[0], options)
    from pptsn.runtime.engines.several import SeveralEngines

    with ExitStack() as opened:
        engines = [opened.enter_context(backend.open(path, one, options)) for one in choices]
        opened.pop_all()
    return SeveralEngines(engines)


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


def _suiting(path: Path) -> AnyBackend:
    """Return the first backend that runs the file at `path`; plugins are asked for what none of ours runs."""
    suiting: AnyBackend | None = BACKENDS.first(lambda backend: backend.suits(path))
    fallback: AnyBackend = BACKENDS.instance(BACKENDS.own_names[0])  # which says what is wrong with the file
    return suiting or fallback


def _described(backend: AnyBackend) -> str:
    parts = [backend.help or "a plugin"]
    parts += [f"?{name}: {about.help}" for name, (_, about) in options_of(backend.options).items()]
    return f"{backend.name} ({'; '.join(parts)})"
