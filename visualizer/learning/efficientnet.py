"""EfficientNet-Lite, the classifier's network, with batch normalisation folded away.

Tan & Le 2019, arXiv:1905.11946; the Lite variants drop squeeze-and-excitation and use ReLU6.
The network is only ever used frozen, so every convolution carries its normalisation in its own
weights: half the layers, and gradients reach the picture sooner.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

# kernel, stride, expansion, output channels, repeats of each stage at width and depth 1.
STAGES = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
N_CLASSES = 1000
# The stages whose outputs are handed out as features: strides 4, 8, 16 and 32.
FEATURE_STAGES = (1, 2, 4, 6)

WIDTH_DEPTH = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}


def _round_channels(channels: int, width: float) -> int:
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding, which is uneven for stride 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        height, width = x.shape[-2:]
        if stride == 2 and height % 2 == width % 2 == 0 and not torch.is_grad_enabled():
            # A kernel with an empty first row and column, evenly padded, is the same without the copy.
            weight = F.pad(self.weight, (1, 0, 1, 0))
            return F.conv2d(x, weight, self.bias, stride, kernel // 2, 1, self.groups)
        pad_h = max((math.ceil(height / stride) - 1) * stride + kernel - height, 0)
        pad_w = max((math.ceil(width / stride) - 1) * stride + kernel - width, 0)
        x = F.pad(x, [pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2])
        return F.conv2d(x, self.weight, self.bias, stride, 0, 1, self.groups)


class InvertedBottleneck(nn.Module):
    """Expand 1×1, filter depthwise, project 1×1, add the input back where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The whole network. Input: [n, 3, h, w], values (rgb255 - 127) / 128."""

    def __init__(self, variant: str = "lite0"):
        super().__init__()
        width, depth = WIDTH_DEPTH[variant]
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        channels = STEM_CHANNELS
        self.stages = nn.ModuleList()
        for i, (kernel, stride, expansion, outputs, repeats) in enumerate(STAGES):
            outputs = _round_channels(outputs, width)
            if 0 < i < len(STAGES) - 1:
                repeats = math.ceil(repeats * depth)
            blocks = []
            for j in range(repeats):
                blocks.append(
                    InvertedBottleneck(channels, outputs, kernel, stride if j == 0 else 1, expansion)
                )
                channels = outputs
            self.stages.append(nn.Sequential(*blocks))
        self.head = SameConv(channels, HEAD_CHANNELS, 1)
        self.classify = nn.Linear(HEAD_CHANNELS, N_CLASSES)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps at strides 4, 8, 16 and 32 (Lite0: 24, 40, 112 and 320 channels)."""
        maps = []
        x = F.relu6(self.stem(x))
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in FEATURE_STAGES:
                maps.append(x)
        return maps

    def pooled(self, deepest: torch.Tensor) -> torch.Tensor:
        """[n, 1280] head features from the deepest of `features`."""
        return F.relu6(self.head(deepest)).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, 1000] logits."""
        return self.classify(self.pooled(self.features(x)[-1]))
