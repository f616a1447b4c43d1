"""Networks of few channels and blocks, for what does not hang on their number.

A step, a checkpoint and an export take a fraction of the time that they take at the published sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pptsn.training.network import resnet_vd

_WIDTHS = {"STEM_WIDTHS": (8, 8, 16), "STAGE_WIDTHS": (16, 24, 32, 48)}
_DEPTH, _BLOCKS = 18, (1, 1, 1, 1)
# The same for a process of its own.
NARROWING = f"""
from pptsn.training.network import resnet_vd
vars(resnet_vd).update({_WIDTHS})
resnet_vd.BLOCK_COUNTS[{_DEPTH}] = {_BLOCKS}
"""


@contextmanager
def narrow_networks(*, shallow: bool = True) -> Iterator[None]:
    """Let networks that are built have few channels; `shallow`: and that of the least depth a block a stage."""
    with pytest.MonkeyPatch.context() as patch:
        for name, widths in _WIDTHS.items():
            patch.setattr(resnet_vd, name, widths)
        if shallow:
            patch.setitem(resnet_vd.BLOCK_COUNTS, _DEPTH, _BLOCKS)
        yield
