"""OpenVINO, imported in this file alone, and without its telemetry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command

_TELEMETRY = "openvino_telemetry"


def import_openvino() -> Any:
    """Return the module `openvino`, or raise MissingDependencyError with the command that installs it.

    It tells nobody that it was imported: see `_without_telemetry`.
    """
    try:
        with _without_telemetry():
            import openvino
    except ImportError as error:
        raise MissingDependencyError(
            "openvino", f"the backend openvino needs it ({error})", f"run: {install_command('openvino')}"
        ) from error
    return openvino


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Hide the package `openvino_telemetry` for one block; OpenVINO does without it where it is missing.

    Otherwise its import writes an identifier into the home folder and sends an event, unless a file there says no
    (the program `opt_in_out`) or `CI` is set.  Who has imported the package before us has had it their way.
    """
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
