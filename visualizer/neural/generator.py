"""The generator: 4096 numbers in, a 256×256 picture out.

It inverts the classifier's deep features (Dosovitskiy & Brox 2016, arXiv:1602.02644): the code is
a 4×4 map of 256 channels, grown by five upsampling blocks, each steered by the whole code.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from visualizer import weights
from visualizer.neural.distributed import JointBatchNorm

CODE_CHANNELS = 256
CODE_SIZE = 4
CODE_DIM = CODE_CHANNELS * CODE_SIZE * CODE_SIZE
PICTURE_SIZE = 256
CHANNELS = (256, 192, 128, 64, 48)
STYLE_DIM = 256


class UpBlock(nn.Module):
    """×2 nearest upsampling, two 3×3 convolutions, channel-wise modulation between them."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = JointBatchNorm(outputs)
        self.modulate = nn.Linear(STYLE_DIM, 2 * outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = JointBatchNorm(outputs)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        scale, shift = self.modulate(style)[:, :, None, None].chunk(2, dim=1)
        x = x * (1 + scale) + shift
        return F.leaky_relu(self.norm2(self.conv2(x)), 0.2)


class Generator(nn.Module):
    """Codes [n, 4096] to pictures [n, 3, 256, 256], sRGB in 0..1.

    4.1 million parameters, about 4 GFLOP a picture. A code that the encoder made of a photo has a
    standard deviation near 1 and a norm near 64; far outside that shell there is only mud.
    """

    def __init__(self) -> None:
        super().__init__()
        self.style = nn.Linear(CODE_DIM, STYLE_DIM)
        sizes = (CODE_CHANNELS, *CHANNELS)
        self.blocks = nn.ModuleList(UpBlock(i, o) for i, o in pairwise(sizes))
        self.to_rgb = nn.Conv2d(CHANNELS[-1], 3 * 4, 3, padding=1)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        style = F.leaky_relu(self.style(codes), 0.2)
        x = codes.view(-1, CODE_CHANNELS, CODE_SIZE, CODE_SIZE)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, style)
        return torch.sigmoid(F.pixel_shuffle(self.to_rgb(x), 2))

    @classmethod
    def load(cls, path: Path | str) -> Generator:
        """Read a generator file. Raises UserError if it isn't one."""
        tensors, _ = weights.load(path, "generator")
        generator = cls()
        generator.load_state_dict(strip_prefix(tensors, "generator."))
        return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def strip_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
