"""A synthesis network of StyleGAN2's size, to be measured beside ours.

The architecture of Karras et al. 2020 (arXiv:1912.04958), configuration "auto" of its authors' later code for
256×256 pictures: eight mapping layers, modulated and demodulated 3×3 convolutions with 512 channels up to
32×32 pixels, then 256, 128 and 64, a picture added up from every size, [1, 3, 3, 1] blurs after upsampling.
About 25 million parameters. Its weights are random: here only its speed is looked at.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

LATENT = 512
# Channels at 4, 8, 16, 32, 64, 128 and 256 pixels.
CHANNELS = (512, 512, 512, 512, 256, 128, 64)


class ModulatedConv(nn.Module):
    """Convolution whose weights are scaled by a style for each picture, and normalised again."""

    blur: torch.Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, up: bool = False, demodulate: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = nn.Linear(LATENT, inputs)
        self.up, self.demodulate, self.kernel = up, demodulate, kernel
        blur = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("blur", (blur[:, None] * blur / 64 * 4).expand(outputs, 1, 4, 4).contiguous())

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        n, inputs, height, width = x.shape
        weight = self.weight[None] * self.style(w)[:, None, :, None, None]
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        x = x.reshape(1, n * inputs, height, width)
        if self.up:
            weight = weight.transpose(1, 2).reshape(n * inputs, -1, self.kernel, self.kernel)
            x = F.conv_transpose2d(x, weight, stride=2, groups=n).view(n, -1, 2 * height + 1, 2 * width + 1)
            x = F.conv2d(x, self.blur, padding=1, groups=x.shape[1])
        else:
            weight = weight.reshape(-1, inputs, self.kernel, self.kernel)
            x = F.conv2d(x, weight, padding=self.kernel // 2, groups=n).view(n, -1, height, width)
        return x + self.bias[:, None, None]


class Layer(nn.Module):
    """A modulated convolution with noise and a leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, up)
        self.noise = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = self.conv(x, w)
        x = x + self.noise * torch.randn(x.shape[0], 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        return F.leaky_relu(x, 0.2) * 2**0.5


class StyleGan2(nn.Module):
    """Latents [n, 512] to pictures [n, 3, 256, 256]."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(
            *(layer for _ in range(8) for layer in (nn.Linear(LATENT, LATENT), nn.LeakyReLU(0.2)))
        )
        self.start = nn.Parameter(torch.randn(1, CHANNELS[0], 4, 4))
        self.first = Layer(CHANNELS[0], CHANNELS[0])
        self.ups = nn.ModuleList(Layer(i, o, up=True) for i, o in pairwise(CHANNELS))
        self.convs = nn.ModuleList(Layer(o, o) for o in CHANNELS[1:])
        self.to_rgb = nn.ModuleList(ModulatedConv(c, 3, 1, demodulate=False) for c in CHANNELS)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        w = self.mapping(z)
        x = self.first(self.start.expand(len(z), -1, -1, -1), w)
        picture = self.to_rgb[0](x, w)
        for up, conv, to_rgb in zip(self.ups, self.convs, self.to_rgb[1:]):
            x = conv(up(x, w), w)
            picture = F.interpolate(picture, scale_factor=2, mode="bilinear") + to_rgb(x, w)
        return picture
