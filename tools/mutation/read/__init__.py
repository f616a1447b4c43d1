"""Documents, checkpoints and models that chance has broken, read in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tools.mutation.read import checkpoints, documents, models
from tools.mutation.read.kind import Kind
from tools.mutation.read.trial import Reader

KINDS: dict[str, Kind] = {
    kind.name: kind for module in (documents, checkpoints, models) for kind in module.kinds()
}


def try_files(name: str, sources: Sequence[Path], folder: Path, *, count: int, seed: int) -> Iterator[str]:
    """Yield a line for each fault found in `count` files of the kind `name`: a hang, a crash, a traceback, memory.

    sources: whole files to break; the kind has examples of its own where there are none.
    """
    kind = KINDS[name]
    rng, examples = np.random.default_rng(seed), [path.read_bytes() for path in sources] or kind.examples(folder)
    reader = Reader(kind.read)
    try:
        for number in range(count):
            path = folder / f"{name}-{number}{kind.suffix}"
            path.write_bytes(kind.mutate(rng, examples))
            verdict = reader.verdict(path)
            if verdict.is_fault:
                yield f"{name} {number} of seed {seed}: {verdict.what}: {' '.join(verdict.detail.split())[-300:]}"
            path.unlink()
    finally:
        reader.close()
