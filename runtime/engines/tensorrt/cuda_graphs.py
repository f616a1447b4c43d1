"""CUDA graphs by cuda-bindings, where it is installed: a stream's work, recorded once, then started by one call.

The only file that imports `cuda`.  A graph replays the addresses and the shapes it was recorded with, and NVIDIA
leaves undefined what it does once the TensorRT context behind it was changed, so each graph has a context of its
own; it costs that context's memory, so few shapes get one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# Shapes of one stream that get a graph: the full batch, and one that comes often besides.
_MOST_GRAPHS = 2


class GraphError(RuntimeError):
    """Something that could not be recorded."""


def import_cuda_bindings() -> Any | None:
    """Return the module `cuda.bindings.driver`, or None where it is not installed or does not load."""
    try:
        from cuda.bindings import driver
    except ImportError:
        return None
    return driver


class CudaGraph:
    """The recorded work of one stream.  Not for several threads at once."""

    def __init__(self, driver: Any, stream: int, enqueue: Callable[[], None]) -> None:
        """Record what `enqueue` puts on the stream with the handle `stream`; nothing of it runs.

        Raises GraphError where the work cannot be recorded, and what `enqueue` raises; the stream is usable then.
        """
        self._driver = driver
        self._stream = driver.CUstream(stream)
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", self._stream, mode)
        try:
            enqueue()
        except BaseException:
            driver.cuStreamEndCapture(self._stream)  # else the stream would go on recording
            raise
        (graph,) = self._call("cuStreamEndCapture", self._stream)
        try:
            (self._executable,) = self._call("cuGraphInstantiate", graph, 0)
        finally:
            driver.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work on its stream; raises GraphError."""
        self._call("cuGraphLaunch", self._executable, self._stream)

    def destroy(self) -> None:
        """Release the graph; a second call does nothing."""
        if self._executable is not None:
            self._driver.cuGraphExecDestroy(self._executable)
            self._executable = None

    def _call(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        status, *values = getattr(self._driver, function)(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise GraphError(f"{function} says {getattr(status, 'name', status)}")
        return tuple(values)


class Work(NamedTuple):
    """What is done at once: the inference of so many rows, and whether their features are copied to the host."""

    rows: int
    features: bool


class ShapeGraphs:
    """The graphs of one stream, by the work that they do.  A piece of work gets one when it comes again.

    driver: what `import_cuda_bindings` gave.
    new_context: makes a TensorRT context with its addresses set; may raise.
    enqueue: puts a piece of work on the stream by that context.
    synchronise: waits for the stream.
    """

    def __init__(
        self,
        driver: Any,
        stream: int,
        *,
        new_context: Callable[[], Any],
        enqueue: Callable[[Any, Work], None],
        synchronise: Callable[[], None],
    ) -> None:
        self._driver, self._stream = driver, stream
        self._new_context, self._enqueue, self._synchronise = new_context, enqueue, synchronise
        self._seen: set[Work] = set()
        self._graphs: dict[Work, tuple[CudaGraph, Any]] = {}

    def launch(self, work: Work) -> bool:
        """Queue `work` by its graph; False, with nothing queued, where it has none (yet).

        Raises GraphError where recording or launching fails; the work may have run then, and may be run again.
        """
        if work not in self._graphs:
            if work not in self._seen or len(self._graphs) == _MOST_GRAPHS:
                self._seen.add(work)
                return False
            self._record(work)
        self._graphs[work][0].launch()
        return True

    def destroy(self) -> None:
        """Release graphs and contexts; a second call does nothing."""
        for graph, _context in self._graphs.values():
            graph.destroy()
        self._graphs.clear()

    def _record(self, work: Work) -> None:
        context = self._new_context()
        # The first call with a shape allocates and copies things that must not be part of the record.
        self._enqueue(context, work)
        self._synchronise()
        self._graphs[work] = CudaGraph(self._driver, self._stream, lambda: self._enqueue(context, work)), context
