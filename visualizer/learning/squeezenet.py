"""SqueezeNet 1.1, a second pair of eyes for training: quick, and of another architecture than the classifier.

Iandola et al. 2016, arXiv:1602.07360; trained on ImageNet and only ever used frozen. Names and conventions
are those of its authors' Caffe model: no padding at the first convolution, pooling that rounds sizes up.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.common import weights
from visualizer.neural.layout import channels_last

N_CLASSES = 1000
# Inputs, squeezed and expanded channels of the eight fire modules, fire2 to fire9.
FIRES = [
    (64, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
]
# The fire modules behind which maps are halved, and those whose maps are handed out.
POOLED, SEEN = (3, 5), (3, 5, 9)
# Of red, green and blue, 0..255.
MEAN = (123.0, 117.0, 104.0)


class Fire(nn.Module):
    """Squeeze 1×1, then expand 1×1 and 3×3 side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.squeeze1x1(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(nn.Module):
    """Pictures [n, 3, h, w], sRGB in 0..1, to feature maps or logits; computes in its weights' dtype."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.fires = nn.ModuleList(Fire(*channels) for channels in FIRES)
        self.conv10 = nn.Conv2d(512, N_CLASSES, 1, padding=1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, path: Path | str) -> SqueezeNet:
        """Read a SqueezeNet file. Raises UserError if it isn't one."""
        net = cls()
        net.load_state_dict(weights.load(path, "squeezenet")[0])
        return channels_last(net.eval().requires_grad_(False))

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Maps of 64, 128, 256 and 512 channels (conv1, fire3, fire5, fire9), 127 to 15 wide of 256."""
        x = (pictures * 255 - self.mean).to(self.conv1.weight.dtype)
        x = F.relu(self.conv1(x))
        maps = [x]
        x = self._halved(x)
        for i, fire in enumerate(self.fires, 2):
            x = fire(x)
            if i in SEEN:
                maps.append(x)
            if i in POOLED:
                x = self._halved(x)
        return maps

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """[n, 1000] logits, ImageNet's classes in their order."""
        return F.relu(self.conv10(self.features(pictures)[-1])).mean((2, 3))

    @staticmethod
    def _halved(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)
