"""TensorRT and TensorRT-RTX, imported when asked for: two packages with one API, so one code serves both.

TensorRT's lean and dispatch runtimes are packages of their own with a part of that API: they run
version-compatible plans, build none, and come from the ordinary index.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, UsageError, install_command
from pptsn.runtime.model.manifest import BUILDERS, parse_version

# ILogger.Severity: 0 internal error, 1 error, 2 warning, 3 info, 4 verbose.
_ERROR, _WARNING, _VERBOSE = 1, 2, 4
_KEPT_MESSAGES = 20_000  # a verbose build of ResNet-200 says about as much
_KEPT_ERRORS = 100

_REMEDIES = {
    "tensorrt": "on a Jetson it comes with JetPack: make the virtual environment with --system-site-packages; "
    "on a server run: pip install tensorrt --extra-index-url https://pypi.nvidia.com",
    "tensorrt-rtx": f"run: {install_command('rtx')}",
}
_OR_LEAN = f"; or, as the plan is version-compatible, run: {install_command('lean,tensorrt')}"

_loggers: dict[int, CapturingLogger] = {}
_lock = threading.Lock()


class CapturingLogger:
    """Keeps what the library says; `TensorRT.logger` gives one that is an ILogger too.

    The library calls `log` from whichever thread works.  verbose: whether messages below warnings are kept;
    they are many, and only a reader of a build's layers needs them.
    """

    def __init__(self) -> None:
        self.verbose = False
        self._messages: deque[str] = deque(maxlen=_KEPT_MESSAGES)
        self._errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        self._warnings: deque[str] = deque(maxlen=_KEPT_ERRORS)

    def log(self, severity: Any, message: str) -> None:
        """Keep one message; ILogger's only method."""
        level = int(severity)
        if level <= _ERROR:
            self._errors.append(message)
        elif level == _WARNING:
            self._warnings.append(message)
        elif self.verbose and level <= _VERBOSE:
            self._messages.append(message)

    def errors(self) -> list[str]:
        """Return the errors since the last `clear`, oldest first."""
        return list(self._errors)

    def warnings(self) -> list[str]:
        """Return the warnings since the last `clear`, oldest first."""
        return list(self._warnings)

    def messages(self) -> list[str]:
        """Return what was said below warnings since the last `clear`, while `verbose` was on."""
        return list(self._messages)

    def clear(self) -> None:
        """Forget everything: to be called before the call whose errors are of interest."""
        for kept in (self._messages, self._errors, self._warnings):
            kept.clear()


@dataclass(frozen=True)
class TensorRT:
    """One of the two libraries, or a part of TensorRT.

    name: one of BUILDERS.
    module: `tensorrt`, `tensorrt_rtx_bindings` or a small runtime's.
    version: its numbers, to be compared as such: (10, 3, 0).
    version_text: as the package says it.
    part: "lean runtime" or "dispatch runtime", which run version-compatible plans alone; "" for the whole.
    """

    name: str
    module: Any
    version: tuple[int, ...]
    version_text: str
    part: str = ""

    def logger(self) -> CapturingLogger:
        """Return the logger of this library, the same in every call.

        The library keeps one logger a process and ignores a second one with a warning, so everything that it is
        handed to must share one.
        """
        key = id(self.module.ILogger)  # which lives as long as the logger made from it
        with _lock:
            if key not in _loggers:
                _loggers[key] = _make_logger(self.module)
            return _loggers[key]


def import_tensorrt(name: str) -> TensorRT:
    """Return the library `name`, one of BUILDERS.

    Raises UsageError for another name, MissingDependencyError where it is not installed or does not load.
    """
    if name not in BUILDERS:
        raise UsageError("--builder", f"unknown builder {name!r}", f"choose one of {', '.join(BUILDERS)}")
    try:
        module = _import_module(name)
        text = str(module.__version__)
        module.Builder, module.Runtime  # noqa: B018 - a stub without its libraries has neither
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        raise MissingDependencyError(name, f"it is not usable here ({error})", _REMEDIES[name]) from error
    return TensorRT(name, module, parse_version(text), text)


def import_runtime(name: str, *, version_compatible: bool) -> TensorRT:
    """Return what runs a plan of the builder `name`, one of BUILDERS.

    version_compatible: of the plan: such a plan of TensorRT runs by a small runtime where TensorRT is missing.
    Errors as `import_tensorrt`.
    """
    try:
        return import_tensorrt(name)
    except MissingDependencyError as error:
        if name != "tensorrt" or not version_compatible:
            raise
        small = _small_runtime()
        if small is not None:
            return small
        raise MissingDependencyError(error.thing, error.cause, error.remedy + _OR_LEAN) from error


def _small_runtime() -> TensorRT | None:
    """Return TensorRT's lean runtime, or else its dispatch runtime, which takes the lean one out of the plan."""
    for part, load in (("lean runtime", _import_lean), ("dispatch runtime", _import_dispatch)):
        try:
            module = load()
            text = str(module.__version__)
            module.Runtime  # noqa: B018 - a stub without its libraries has none
        except (ImportError, OSError, AttributeError, RuntimeError):
            continue
        return TensorRT("tensorrt", module, parse_version(text), text, part)
    return None


def _import_lean() -> Any:
    import tensorrt_lean_bindings

    return tensorrt_lean_bindings


def _import_dispatch() -> Any:
    import tensorrt_dispatch_bindings

    return tensorrt_dispatch_bindings


def _import_module(name: str) -> Any:
    # By literal statements rather than by a computed name, so that a reader of imports finds them.
    if name == "tensorrt":
        import tensorrt

        return tensorrt
    import tensorrt_rtx_bindings

    return tensorrt_rtx_bindings


def _make_logger(module: Any) -> CapturingLogger:
    """Return a logger of the library `module`: its base class exists only once the library is loaded."""

    class Logger(CapturingLogger, module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            CapturingLogger.__init__(self)

    return Logger()
