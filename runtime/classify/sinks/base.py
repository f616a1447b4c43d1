"""What takes results, and how an output that fails is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.lines import LineOutput
from pptsn.runtime.classify.results import Classification, Failure


class ResultSink(Protocol):
    """Takes results as they come; each is where it belongs when `write` returns."""

    def write(self, result: Classification | Failure) -> None:
        """Take one result; raises InputError where that failed, the results before it being whole."""
        ...


@contextmanager
def opened(output: LineOutput) -> Iterator[LineOutput]:
    """Open `output` for the block; raises PptsnError where it cannot be written, then or at its end."""
    output.open()
    try:
        yield output
    finally:
        with naming(output.name):
            output.close()


def write_line(output: LineOutput, line: str) -> None:
    """Write `line`; raises InputError where that failed, the lines before it being whole."""
    with naming(output.name):
        output.write_line(line)


def verdict_of(result: Classification) -> str:
    """Return in a word whether the leading class is the true one; "" for a source without a label."""
    return "" if result.right is None else "right" if result.right else "wrong"


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn what the system says of an output that cannot be written any further into an error that names it."""
    try:
        yield
    except OSError as error:
        cause = f"cannot be written ({reason_of(error)}), the results in it stay"
        raise InputError(name, cause, "make room, and classify the others again") from error
