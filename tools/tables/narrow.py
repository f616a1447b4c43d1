"""Networks of few channels and blocks: what does not hang on their number takes a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from pptsn.training.network import resnet_vd

WIDTHS = {"STEM_WIDTHS": (8, 8, 16), "STAGE_WIDTHS": (16, 24, 32, 48)}
SHALLOWEST, BLOCKS = 18, (1, 1, 1, 1)


@contextmanager
def narrow_networks(*, shallow: bool = True) -> Iterator[None]:
    """Let networks that are built have few channels; `shallow`: and that of the least depth a block a stage."""
    blocks = {**resnet_vd.BLOCK_COUNTS, **({SHALLOWEST: BLOCKS} if shallow else {})}
    with patch.multiple(resnet_vd, **WIDTHS), patch.dict(resnet_vd.BLOCK_COUNTS, blocks):
        yield
