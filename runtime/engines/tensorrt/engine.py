"""TensorRT and TensorRT-RTX: plans that `pptsn convert engine` built, on one GPU."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError, engine_closed
from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity, Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.lending import BatchPool, infer_through
from pptsn.runtime.engines.tensorrt.api import import_runtime
from pptsn.runtime.engines.tensorrt.batch import TensorRtBatch
from pptsn.runtime.engines.tensorrt.cuda import CudaDevice, open_cuda
from pptsn.runtime.engines.tensorrt.cuda_graphs import import_cuda_bindings
from pptsn.runtime.engines.tensorrt.plan import Plan
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import Manifest, check_fits, check_onnx_file
from pptsn.runtime.model.proven import GpuKind

# Batches in flight: one is worked on while the other is filled.
_BATCHES = 2


class TensorRtEngine(Engine):
    """The plan in `file` on a GPU.  `batch_size` is the best of its profile, for which its kernels were tuned.

    `infer` takes up to the profile's largest size in one call of the GPU, and splits what is more by that size.

    graphs: whether to start the work by CUDA graphs where cuda-bindings is installed.
    gpu: the kind of device that it runs on, which a plan is proven for.

    Raises ModelError for a plan that does not fit this machine or its ONNX file, MissingDependencyError for a
    missing package, driver or GPU, DeviceError where the GPU has too little memory.
    """

    def __init__(self, file: ModelFile, *, device: Device | None = None, graphs: bool = True) -> None:
        device = device or Device("cuda")
        path, manifest = file.path, file.manifest
        if manifest is None:
            raise ModelError(path, "is no TensorRT plan", "name an .engine file")
        check_onnx_file(path, manifest)
        library = import_runtime(manifest.builder, version_compatible=manifest.version_compatible)
        self._cuda: CudaDevice = open_cuda(device.index)
        check_fits(
            manifest,
            plan=path,
            builder_version=library.version_text,
            compute_capability=self._cuda.compute_capability,
            machine=platform.machine(),
        )
        self.spec, self.features = manifest.spec, manifest.spec.features
        self.gpu = GpuKind(
            gpu_name=self._cuda.name,
            compute_capability=self._cuda.compute_capability,
            library_version=library.version_text,
            driver_version=self._cuda.driver_version,
        )
        # TensorRT-RTX swaps kernels while it runs, which a graph would not see; it has graphs of its own.
        self._graphs: Any | None = import_cuda_bindings() if graphs and library.name == "tensorrt" else None
        self._plan: Plan | None = None
        self._pool = BatchPool(self._new_batch)
        try:
            with self._cuda.current():
                self._plan = Plan(file, manifest, library, self._cuda)
            for batch in self._pool.lend(_BATCHES):  # so that there is room for them
                self._pool.take_back(batch)
        except BaseException:
            self.close()
            raise
        _smallest, self.batch_size, self._largest = self._plan.profile
        self.largest_batch = self._largest
        self.identity = EngineIdentity(
            backend=library.name,
            version=library.version_text,
            device=str(device),
            device_name=self._cuda.name,
            precision=self.spec.precision,
            remark=" ".join(filter(None, (library.part, "with CUDA graphs" if self._graphs else ""))),
        )
        if manifest.version_compatible:
            self.notes += (
                f"{path} is version-compatible, so it carries code of its builder, which runs here: "
                "take such plans only from whom you trust",
            )
        if not manifest.proven_on(self.gpu):
            self.notes += (_never_proven(path, manifest, self.gpu),)

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        """Lend two batches in page-locked memory: the copies of one overlap with the work on the other."""
        return self._lend(batch_size)

    def _remedy_for_batch(self, batch_size: int) -> str:
        build = f"pptsn convert engine --batch 1,{batch_size},{batch_size}"
        return f"give {self.largest_batch} or less, or build another plan: {build}"

    def _lend(self, batch_size: int) -> tuple[TensorRtBatch, ...]:
        if self._plan is None:
            raise engine_closed()
        lent = self._pool.lend(_BATCHES)
        for batch in lent:
            batch.take_rows(batch_size)
        return lent

    def _new_batch(self) -> TensorRtBatch:
        if self._plan is None:
            raise engine_closed()
        with self._cuda.current():
            return TensorRtBatch(
                self._plan,
                self.spec,
                self._cuda,
                graphs=self._graphs,
                graphs_failed=self._drop_graphs,
                give_back=self._pool.take_back,
            )

    def _drop_graphs(self, reason: str) -> None:
        self._graphs = None
        self.identity = replace(self.identity, remark=f"without CUDA graphs ({reason})")

    def _infer(self, crops: Frame) -> Logits:
        with ExitStack() as lent:
            return infer_through([lent.enter_context(batch) for batch in self._lend(self._largest)], crops)

    def close(self) -> None:
        """Release contexts, plan and buffers, in this order, after the work in flight has ended."""
        with self._cuda.current():
            for batch in self._pool.made:
                batch.release_contexts()
            if self._plan is not None:
                self._plan.close()
            for batch in self._pool.made:
                batch.release_buffers()
            self._plan = None
            self._pool.clear()


def _never_proven(plan: Path, manifest: Manifest, gpu: GpuKind) -> str:
    """Return the note on a plan that nobody has compared with Paddle's logits on this kind of device."""
    remedy = f"do it by: pptsn verify {plan}"
    if manifest.reference is None:
        remedy = "it carries nothing to be proven by: convert its ONNX file again, and build it anew"
    return f"{plan} was never proven on this kind of device ({gpu}); {remedy}"
