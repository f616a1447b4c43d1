"""The networks that there are.

Another one is three places: a file beside this, its line here, and its depths in `ARCHITECTURES` of
`pptsn.runtime.model.spec`, which is read where there is no Paddle.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError
from pptsn.training.network import resnet_vd
from pptsn.training.network.architecture import Architecture

_ALL = (resnet_vd.ARCHITECTURE,)
NETWORKS = {architecture.name: architecture for architecture in _ALL}


def build_network(architecture: str, *, depth: int, classes: int, drop_ratio: float = 0.4) -> Any:
    """Return a new network, with weights drawn from Paddle's random numbers.

    Raises UsageError for a depth that the architecture does not come in.
    """
    return NETWORKS[architecture].build(depth, classes, drop_ratio)


def recognise(names: Iterable[str], path: Path) -> tuple[Architecture, int]:
    """Return the architecture and depth of a backbone by the names of its entries, which are without `backbone.`.

    Raises ModelError, about the file `path`, for names that no architecture has.
    """
    names = set(names)
    for architecture in NETWORKS.values():
        depth = architecture.depth_of(names)
        if depth is not None:
            return architecture, depth
    causes = "; ".join(architecture.mismatch(names) for architecture in NETWORKS.values())
    raise ModelError(path, f"is no PP-TSN: {causes}", "use a PP-TSN or ResNet-vd checkpoint")
