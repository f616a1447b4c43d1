"""From the bytes of an ONNX file to the bytes of a plan, by TensorRT or TensorRT-RTX; and what the log says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.convert.engine.options import BuildOptions
from pptsn.convert.engine.progress import BuildMonitor, make_monitor, run_interruptibly
from pptsn.runtime.base.errors import InputError, MissingDependencyError, ModelError, UsageError
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.progress import progress_bar
from pptsn.runtime.engines.tensorrt.api import TensorRT

_SHOWN_ERRORS = 3

# In which precision a plan runs each convolution is read from its build's log: an inspector would need a GPU.  A
# build with detailed profiling verbosity ends its log with one line a layer of the plan:
#
#     Name: ..., LayerType: correlation, Inputs: [ { Name: ..., Datatype: Int8, ... }], Constants: [...], ...
#     Metadata: [ONNX Layer: network/Conv.5]
#
# The metadata name the ONNX nodes that became the layer; the first input is the activation.
# A convolution is known by its kind of layer, or by the mark of a 1x1 convolution that became a matrix product.
# Other layers that name its node hold what was split off it, such as its bias and the quantizing of its result.
_LAYER = re.compile(r"^Name: .*?\bLayerType: (?P<kind>.*?), Inputs: \[(?P<inputs>.*?)\], (?:Constants|Outputs): ")
_KIND = re.compile("correlation|conv", re.IGNORECASE)
_MATRIX_PRODUCT = "gemm_from_conv"
_NODES = re.compile(r"\[ONNX Layer: (.*?)\]")
_TYPE = re.compile(r"\b(?:Format/)?Datatype: (?P<type>[^,}]*)")
_KINDS = {"int8": "int8", "half": "fp16", "fp16": "fp16", "float": "fp32", "fp32": "fp32"}


@dataclass(frozen=True)
class BuiltPlan:
    """A plan and what its builder said.

    content: the plan.  log: the builder's messages below warnings.
    notes: what went wrong beside the plan, for the user.
    """

    content: bytes
    log: list[str]
    notes: tuple[str, ...] = ()


def build_plan(library: TensorRT, onnx: bytes, options: BuildOptions, *, source: object) -> BuiltPlan:
    """Build a plan from the ONNX file's content `onnx`; `source` names it in errors.

    The network is strongly typed: every tensor has the type that the file gives it.  The timing cache of the
    options is read and written; where it cannot be written, the plan is kept and a note says so.

    Raises ModelError with the builder's own words where it refuses the model or fails, MissingDependencyError
    where it finds no GPU and needs one, KeyboardInterrupt on Ctrl-C.
    """
    logger = library.logger()
    logger.clear()
    logger.verbose = True
    try:
        builder = _make_builder(library)
        network = builder.create_network(_network_flags(library.module))
        parser = library.module.OnnxParser(network, logger)  # owns weights that the build reads
        _parse(parser, onnx, library, source)
        config = _configure(library, builder, network, options)
        cache = TimingCache(options.timing_cache, config) if options.timing_cache else None
        with progress_bar() as progress:
            monitor = make_monitor(library, progress)
            config.progress_monitor = monitor
            plan = run_interruptibly(lambda: builder.build_serialized_network(network, config), monitor.cancel)
        _require_plan(plan, library, monitor, source)
        notes = _write_cache(cache) if cache is not None else ()
        return BuiltPlan(bytes(memoryview(plan)), logger.messages(), notes)
    finally:
        logger.verbose = False


class TimingCache:
    """The file behind --timing-cache: measured kernels of one builder version on one kind of GPU."""

    def __init__(self, path: Path, config: Any) -> None:
        """Hand the file's content to `config`; raises ModelError where it is not the builder's own."""
        self._path, self._config = path, config
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise ModelError(path, f"cannot be read ({error.strerror})", "name a file") from error
        cache = config.create_timing_cache(content)
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise ModelError(
                path, "is no timing cache of this builder version and GPU", "delete it, or name another file"
            )

    def write(self) -> None:
        """Write what the build added, atomically."""
        with atomic_file(self._path) as temporary:
            temporary.write_bytes(bytes(memoryview(self._config.get_timing_cache().serialize())))


def _write_cache(cache: TimingCache) -> tuple[str, ...]:
    """Write the timing cache; return what to tell the user where that fails: the plan is worth more."""
    try:
        cache.write()
    except InputError as error:
        return (f"the plan was built, its timing cache was not kept: {error}",)
    return ()


def _make_builder(library: TensorRT) -> Any:
    try:
        return library.module.Builder(library.logger())
    except (TypeError, RuntimeError) as error:  # pybind11's words for a null pointer
        cause = f"its builder does not start ({_words(library, error)})"
        raise MissingDependencyError(
            library.name, cause, "check the GPU and its driver by: pptsn doctor"
        ) from error


def _network_flags(module: Any) -> int:
    """Return the flags of a strongly typed network: the only kind from TensorRT 11 on, which may drop the flag."""
    flag = getattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(parser: Any, onnx: bytes, library: TensorRT, source: object) -> None:
    if parser.parse(onnx):
        return
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    reasons = [_reason(error) for error in errors[:_SHOWN_ERRORS]] or [_words(library, "no reason given")]
    raise ModelError(
        source,
        f"{library.name}'s parser refuses it: {'; '.join(reasons)}",
        "see what is wrong by: pptsn convert check",
    )


def _reason(error: Any) -> str:
    """Return one error of the parser, with its node and operator where it has one."""
    node, operator = error.node_name(), error.node_operator()
    return f"{node} ({operator}): {error.desc()}" if node else str(error.desc())


def _configure(library: TensorRT, builder: Any, network: Any, options: BuildOptions) -> Any:
    module, config = library.module, builder.create_builder_config()
    config.profiling_verbosity = module.ProfilingVerbosity.DETAILED  # layers name their ONNX nodes
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.hardware_compatible:
        config.hardware_compatibility_level = module.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.version_compatible:
        config.set_flag(module.BuilderFlag.VERSION_COMPATIBLE)
    if options.compute_capabilities:
        _set_compute_capabilities(module, config, options.compute_capabilities)
    profile = builder.create_optimization_profile()
    crops = network.get_input(0)
    profile.set_shape(crops.name, *((size, *tuple(crops.shape)[1:]) for size in options.batch))
    config.add_optimization_profile(profile)
    return config


def _set_compute_capabilities(module: Any, config: Any, wanted: tuple[str, ...]) -> None:
    """Set the GPUs to build for, which TensorRT-RTX alone can."""
    known = getattr(module, "ComputeCapability", None)
    names = [f"SM{capability.replace('.', '')}" for capability in wanted]
    for capability, name in zip(wanted, names, strict=True):
        if not hasattr(known, name):
            numbers = sorted(int(n.removeprefix("SM")) for n in dir(known) if n.startswith("SM"))
            there = ", ".join(f"{number // 10}.{number % 10}" for number in numbers)
            raise UsageError(
                "--compute-capability", f"{capability} is none that this builder knows", f"it knows {there}"
            )
    config.num_compute_capabilities = len(names)
    for index, name in enumerate(names):
        config.set_compute_capability(getattr(known, name), index)


def _require_plan(plan: Any, library: TensorRT, monitor: BuildMonitor, source: object) -> None:
    if plan is not None:
        return
    if monitor.cancelled:
        raise KeyboardInterrupt
    raise ModelError(
        source,
        f"{library.name} {library.version_text} could not build it: {_words(library, 'no reason given')}",
        "if memory ran out, ask for a smaller --batch or a larger --workspace-mb",
    )


def _words(library: TensorRT, fallback: object) -> str:
    """Return what the library said last when it failed."""
    return "; ".join(library.logger().errors()[-_SHOWN_ERRORS:]) or str(fallback)


def convolution_precisions(messages: Iterable[str], convolutions: Iterable[str]) -> dict[str, str]:
    """Return the precision, one of model.spec.PRECISIONS, of those `convolutions` that the log tells of.

    messages: the verbose log of a build.  Empty where the library spells its layers another way, so that nothing
    is claimed that was not read.
    """
    wanted = set(convolutions)
    found: dict[str, str] = {}
    for line in _layer_lines(messages):
        layer = _LAYER.match(line)
        if layer is None or not (_KIND.search(layer["kind"]) or _MATRIX_PRODUCT in line):
            continue
        precision = _input_precision(layer["inputs"])
        if precision is not None:
            found |= {node: precision for node in _NODES.findall(line) if node in wanted}
    return found


def _layer_lines(messages: Iterable[str]) -> Iterator[str]:
    for message in messages:
        if "LayerType:" in message:
            yield from message.splitlines()


def _input_precision(inputs: str) -> str | None:
    """Return the precision of a layer's first input, or None where it is not said."""
    match = _TYPE.search(inputs)
    if match is None:
        return None
    words = match["type"].lower().split()
    return next((_KINDS[word] for word in words if word in _KINDS), None)
