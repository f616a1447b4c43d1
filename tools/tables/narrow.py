"""Networks of few channels and blocks: what does not hang on their number takes a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from pptsn.training.network import resnet_vd

STEM, STAGES = (8, 8, 16), (16, 24, 32, 48)
SHALLOWEST, BLOCKS = 18, (1, 1, 1, 1)


@contextmanager
def narrow_networks(*, stages: tuple[int, ...] = STAGES, shallow: bool = True) -> Iterator[None]:
    """Let networks that are built have few channels, in their stages `stages`.

    shallow: and that of the least depth a block a stage.
    """
    blocks = {SHALLOWEST: BLOCKS} if shallow else {}
    widths = {"STEM_WIDTHS": STEM, "STAGE_WIDTHS": stages}
    with patch.dict(vars(resnet_vd), widths), patch.dict(resnet_vd.BLOCK_COUNTS, blocks):
        yield
