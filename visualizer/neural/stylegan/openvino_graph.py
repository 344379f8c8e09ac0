"""A StyleGAN as an OpenVINO graph: traced once for each number of pictures, then compiled here.

Its filters are constants, as styles scale what goes in and comes out instead.
"""

from __future__ import annotations

import warnings

import openvino as ov
import torch
from torch import nn

from visualizer.neural.stylegan.imported import StyleGan


class _Drawing(nn.Module):
    """Shape and matter [n, d] to pictures [n, h, w, 3] uint8 sRGB."""

    def __init__(self, network: StyleGan):
        super().__init__()
        self.network = network

    def forward(self, shape: torch.Tensor, matter: torch.Tensor) -> torch.Tensor:
        pictures = self.network(shape, matter)
        return (pictures * 255 + 0.5).floor().permute(0, 2, 3, 1).to(torch.uint8)


def translated(network: StyleGan, n: int) -> ov.Model:
    """A graph of shape and matter [n, d] float32 to pictures [n, h, w, 3] uint8 sRGB."""
    example = torch.zeros(n, network.code_dim), torch.ones(n, network.code_dim)
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns of every decision that depends on the sizes, which never change here.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(_Drawing(network).eval(), example, check_trace=False)
        return ov.convert_model(traced, example_input=example, input=[list(codes.shape) for codes in example])
