"""PP-TSN: a ResNet-vd applied to every frame, a mean over the frames, one linear layer.

Layer names are those of the published checkpoints (`backbone.bb_0_0.conv0._conv.weight`, `head.fc.weight`).
ResNet-vd: He et al., "Bag of Tricks for Image Classification", arXiv 1812.01187, figure 2 (c) and (d).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.model.spec import RESNET_VD
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.network.architecture import Architecture

BLOCK_COUNTS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
STAGE_WIDTHS = (64, 128, 256, 512)
STEM_WIDTHS = (32, 32, 64)
BOTTLENECK_EXPANSION = 4
FC_INIT_STD = 0.01
_BLOCK_NAME = re.compile(r"bb_(\d+)_(\d+)\.conv0\._conv\.weight")


def has_bottlenecks(depth: int) -> bool:
    """Return whether the residual blocks of `depth` are bottlenecks (three convolutions) or basic (two)."""
    return depth >= 50


def feature_width(depth: int) -> int:
    """Return the number of channels after the last stage: 512 or 2048."""
    return STAGE_WIDTHS[-1] * (BOTTLENECK_EXPANSION if has_bottlenecks(depth) else 1)


class Add(nn.Layer):
    """The sum of two tensors of one shape, as an operator whose inputs can be looked at."""

    def forward(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return x + y


class ConvBN(nn.Layer):
    """Convolution without bias, batch norm, and ReLU where `relu`; `pooled` puts a 2x2 average pool in front.

    (N, in_channels, H, W) float32 → (N, out_channels, H / stride, W / stride), rounded up.
    convolve: what stands in for convolution and batch norm; None for themselves.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        relu: bool,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        # The pool does the stride of a "vd" shortcut, so that its 1x1 convolution sees every pixel.
        self._pool = nn.AvgPool2D(kernel_size=2, stride=2, padding=0, ceil_mode=True) if pooled else None
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=(kernel - 1) // 2,
            weight_attr=nn.initializer.KaimingNormal(),
            bias_attr=False,
        )
        self._batch_norm = nn.BatchNorm2D(out_channels, momentum=0.9, epsilon=1e-5)
        self._relu = nn.ReLU() if relu else None
        self.convolve: Callable[[Any], Any] | None = None

    @property
    def convolution(self) -> Any:
        """The convolution by itself."""
        return self._conv

    def folded(self) -> tuple[Any, Any]:
        """Return weights (O, I, h, w) and bias (O,), float32, of the convolution that is both in inference.

        Computed in float64, as conversion does, so that only the final rounding is added.
        """
        norm = self._batch_norm
        gain, shift, mean, variance = (
            value.astype("float64") for value in (norm.weight, norm.bias, norm._mean, norm._variance)
        )
        factor = gain / paddle.sqrt(variance + float(np.float32(norm._epsilon)))
        weights = self._conv.weight.astype("float64") * factor.reshape([-1, 1, 1, 1])
        return weights.astype("float32"), (shift - mean * factor).astype("float32")

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        if self._pool is not None:
            x = self._pool(x)
        x = self._batch_norm(self._conv(x)) if self.convolve is None else self.convolve(x)
        return x if self._relu is None else self._relu(x)


class ResidualBlock(nn.Layer):
    """relu(convolutions(x) + shortcut(x)), with a shortcut convolution (`short`) in a stage's first block.

    The children `conv0`, `conv1` (and `conv2` in a bottleneck) are 3x3, 3x3 in a basic block and 1x1, 3x3,
    1x1 in a bottleneck, where the stride sits on the 3x3.
    """

    def __init__(self, in_channels: int, width: int, *, bottleneck: bool, stride: int, first: bool) -> None:
        super().__init__()
        out_channels = width * BOTTLENECK_EXPANSION if bottleneck else width
        self.conv2: ConvBN | None
        if bottleneck:
            self.conv0 = ConvBN(in_channels, width, 1, relu=True)
            self.conv1 = ConvBN(width, width, 3, stride=stride, relu=True)
            self.conv2 = ConvBN(width, out_channels, 1, relu=False)
        else:
            self.conv0 = ConvBN(in_channels, width, 3, stride=stride, relu=True)
            self.conv1 = ConvBN(width, width, 3, relu=False)
            self.conv2 = None
        self.short = ConvBN(in_channels, out_channels, 1, relu=False, pooled=stride > 1) if first else None
        self.add = Add()

    def forward(self, x: Any) -> Any:
        """Return the block's output, (N, out_channels, H / stride, W / stride)."""
        residual = self.conv1(self.conv0(x))
        if self.conv2 is not None:
            residual = self.conv2(residual)
        shortcut = x if self.short is None else self.short(x)
        return nn.functional.relu(self.add(residual, shortcut))


class ResNetVd(nn.Layer):
    """The backbone: (N, 3, S, S) float32 → (N, feature_width(depth), S / 32, S / 32)."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        first, second, third = STEM_WIDTHS
        self.conv1_1 = ConvBN(3, first, 3, stride=2, relu=True)
        self.conv1_2 = ConvBN(first, second, 3, relu=True)
        self.conv1_3 = ConvBN(second, third, 3, relu=True)
        self.pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)
        self._blocks: list[ResidualBlock] = []
        channels, bottleneck = third, has_bottlenecks(depth)
        for stage, (width, count) in enumerate(zip(STAGE_WIDTHS, BLOCK_COUNTS[depth], strict=True)):
            for index in range(count):
                first_block = index == 0
                stride = 2 if first_block and stage > 0 else 1
                block = ResidualBlock(channels, width, bottleneck=bottleneck, stride=stride, first=first_block)
                self._blocks.append(self.add_sublayer(f"bb_{stage}_{index}", block))
                channels = width * BOTTLENECK_EXPANSION if bottleneck else width

    def forward(self, x: Any) -> Any:
        """Return the feature maps of the last stage."""
        x = self.pool(self.conv1_3(self.conv1_2(self.conv1_1(x))))
        for block in self._blocks:
            x = block(x)
        return x


class Head(nn.Layer):
    """Dropout (in training) and the classifier: (N, features) float32 → (N, classes)."""

    def __init__(self, features: int, classes: int, drop_ratio: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(drop_ratio)
        self.fc = nn.Linear(
            features,
            classes,
            weight_attr=nn.initializer.Normal(0.0, FC_INIT_STD),
            bias_attr=nn.initializer.Constant(0.0),
        )

    def forward(self, x: Any) -> Any:
        """Return the logits; no softmax."""
        return self.fc(self.dropout(x))


class PPTSN(nn.Layer):
    """PP-TSN for clips.

    architecture, depth, classes: what it is, as a spec and a checkpoint say it.
    depth: one of BLOCK_COUNTS; raises UsageError for others.  classes: the number of logits.
    drop_ratio: share of features dropped in training.
    """

    def __init__(self, depth: int, classes: int, drop_ratio: float = 0.4) -> None:
        super().__init__()
        if depth not in BLOCK_COUNTS:
            raise UsageError("depth", f"is {depth}", f"choose one of {', '.join(map(str, BLOCK_COUNTS))}")
        self.architecture = RESNET_VD
        self.depth = depth
        self.classes = classes
        self.backbone = ResNetVd(depth)
        # This operator rounds as the original does; `mean` rounds otherwise, and training amplifies it.
        self.pool = nn.AdaptiveAvgPool2D(1)
        self.head = Head(feature_width(depth), classes, drop_ratio)

    def frame_features(self, x: Any) -> Any:
        """Return the pooled features of frames: (N, 3, S, S) float32 → (N, feature_width)."""
        # In FP32 even under automatic mixed precision: a sum over a feature map overflows FP16.
        maps = self.backbone(x).astype("float32")
        return self.pool(maps).flatten(1)

    def view_logits(self, x: Any) -> Any:
        """Return the logits of each frame or crop by itself: (N, 3, S, S) float32 → (N, classes)."""
        return self.head(self.frame_features(x))

    def forward(self, clips: Any) -> Any:
        """Return the logits of clips: (B, T, 3, S, S) float32 → (B, classes), a mean over the T frames."""
        frames = clips.shape[1]
        features = self.frame_features(clips.flatten(0, 1))
        return self.head(features.reshape([-1, frames, features.shape[-1]]).mean(axis=1))


def _blocks(names: Iterable[str]) -> tuple[int, ...]:
    """Return the number of blocks in each stage of a backbone with entries of these names."""
    stages = Counter(int(match[1]) for match in map(_BLOCK_NAME.fullmatch, names) if match)
    return tuple(stages[stage] for stage in sorted(stages))


def _depth_of(names: set[str]) -> int | None:
    blocks, bottlenecks = _blocks(names), "bb_0_0.conv2._conv.weight" in names
    for depth, counts in BLOCK_COUNTS.items():
        if (counts, has_bottlenecks(depth)) == (blocks, bottlenecks):
            return depth
    return None


def _mismatch(names: set[str]) -> str:
    return f"its blocks a stage are {list(_blocks(names))}, none of the depths {list(BLOCK_COUNTS)}"


ARCHITECTURE = Architecture(
    name=RESNET_VD,
    build=PPTSN,
    depth_of=_depth_of,
    mismatch=_mismatch,
    backbone_parts=("bb_", "conv1_"),
    # As the paper on residual networks calls them: the stem is its first stage.
    stages={"stem": "conv1_", "res2": "bb_0_", "res3": "bb_1_", "res4": "bb_2_", "res5": "bb_3_"},
)
