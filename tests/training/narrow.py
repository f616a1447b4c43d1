"""Networks of few channels and blocks, for what does not hang on their number.

A step, a checkpoint and an export take a fraction of the time that they take at the published sizes.
"""

from __future__ import annotations

from tools.tables.narrow import BLOCKS, SHALLOWEST, STAGES, STEM, narrow_networks

__all__ = ["NARROWING", "narrow_networks"]

# The same for a process of its own.
NARROWING = f"""
from pptsn.training.network import resnet_vd
resnet_vd.STEM_WIDTHS, resnet_vd.STAGE_WIDTHS = {STEM}, {STAGES}
resnet_vd.BLOCK_COUNTS[{SHALLOWEST}] = {BLOCKS}
"""
