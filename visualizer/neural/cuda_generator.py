"""The generator for a graphics card: convolutions by cuDNN, and all that lies between two in one kernel.

Of nine upsampled neighbours only four differ: upsampling and the convolution after it are one 2×2
convolution for each of the four phases of the larger picture, 4/9 of the multiplications for the same result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.neural.cuda_kernels import EIGHT, Kernels, NoKernels
from visualizer.neural.generator import (
    CODE_CHANNELS,
    CODE_SIZE,
    Generator,
    UpBlock,
    fold_upsampling,
)


def phases(transposed: torch.Tensor) -> torch.Tensor:
    """Four 2×2 filters that do as a transposed one does with stride 2 and padding 1.

    transposed: [inputs, outputs, 4, 4]. Returns [4 outputs, inputs, 2, 2], by row and column of the phase:
    with padding 1, phase (a, b) of the larger picture begins at row a and column b of what they make.
    """
    inputs, outputs = transposed.shape[:2]
    # Phase a reads the source row a - 1 + p back through the filter's row 3 - a - 2 p.
    rows = torch.tensor([[3, 1], [2, 0]])
    chosen = transposed[:, :, rows[:, :, None, None], rows[None, None]]  # [i, o, a, p, b, q]
    return chosen.permute(2, 4, 1, 0, 3, 5).reshape(4 * outputs, inputs, 2, 2)


class CudaGenerator:
    """A generator in float16 on a card, drawing with `Kernels`."""

    def __init__(self, generator: Generator, device: torch.device):
        """Raises NoKernels if kernels can't be had, or the generator's channels don't suit them."""
        if any(channels % EIGHT for channels in generator.channels):
            raise NoKernels(f"channels {generator.channels} are no multiples of {EIGHT}")
        self._kernels = Kernels(device)
        folded = fold_upsampling(generator)

        def ready(weight: torch.Tensor) -> torch.Tensor:
            weight = weight.detach().to(device, torch.float16)
            return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight

        def layer(conv: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            return ready(conv.weight), ready(conv.bias)

        self._style = ready(folded.style.weight), ready(folded.style.bias)
        self._blocks = []
        modulation, offsets = [], []
        for block in folded.blocks:
            assert isinstance(block, UpBlock) and isinstance(block.conv1, nn.ConvTranspose2d)
            assert block.conv1.bias is not None
            first = ready(phases(block.conv1.weight.detach())), ready(block.conv1.bias)
            others = [layer(block.conv2), *([layer(block.conv3)] if block.refined else [])]
            self._blocks.append((first, others))
            modulation.append(block.modulate.weight.detach())
            # The scale is to be added to 1.
            one = torch.cat([torch.ones(len(first[1])), torch.zeros(len(first[1]))])
            offsets.append(block.modulate.bias.detach() + one)
        self._modulation = ready(torch.cat(modulation)), ready(torch.cat(offsets))
        self._to_rgb = layer(folded.to_rgb)

    def __call__(self, shape: torch.Tensor, matter: torch.Tensor, pictures: torch.Tensor) -> None:
        """Shape and matter [n, 4096] float32 into pictures [n, h, w, 3] uint8 sRGB."""
        kernels = self._kernels
        style = F.leaky_relu(F.linear(matter.half(), *self._style), 0.2)
        modulation = F.linear(style, *self._modulation)
        x = shape.half().view(-1, CODE_CHANNELS, CODE_SIZE, CODE_SIZE)
        x = x.contiguous(memory_format=torch.channels_last)
        begin = 0
        for (weight, bias), others in self._blocks:
            scale, shift = modulation[:, begin : begin + 2 * len(bias)].chunk(2, 1)
            begin += 2 * len(bias)
            x = kernels.modulate(F.conv2d(x, weight, padding=1), bias, scale, shift)
            for place, (other, its_bias) in enumerate(others):
                before = x if place else None
                x = F.conv2d(x, other, padding=1)
                kernels.rectify(x, its_bias, before)
        weight, bias = self._to_rgb
        kernels.shuffle(F.conv2d(x, weight, padding=1), bias, pictures)
