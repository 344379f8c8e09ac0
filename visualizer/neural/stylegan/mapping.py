"""The mapping network of every StyleGAN: a point on z's sphere, and perhaps a class, to one of w space."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

TINY = 1e-8


class Dense(nn.Module):
    """A fully connected layer, which is filled from a file: till then there is nothing in it."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight, self.bias)


def on_sphere(x: torch.Tensor) -> torch.Tensor:
    """Rows [n, d], scaled so that their squares average to 1."""
    return x * (x.square().mean(1, keepdim=True) + TINY).rsqrt()


@dataclass(frozen=True)
class MappingPlan:
    """c_dim: number of classes, 0 for none. embedded: numbers that a class becomes. features: of each layer,
    w_dim the last."""

    z_dim: int
    c_dim: int
    embedded: int
    features: tuple[int, ...]


class Mapping(nn.Module):
    """z [n, z_dim] and classes [n, c_dim] to w [n, w_dim] (Karras et al. 2019, arXiv:1812.04948).

    mean: [w_dim], the average w, towards which truncation goes.
    """

    mean: torch.Tensor

    def __init__(self, plan: MappingPlan):
        super().__init__()
        self.plan = plan
        self.embed = Dense(plan.c_dim, plan.embedded) if plan.c_dim else None
        sizes = [plan.z_dim + plan.embedded, *plan.features]
        self.layers = nn.ModuleList(Dense(i, o) for i, o in pairwise(sizes))
        self.register_buffer("mean", torch.zeros(plan.features[-1]))

    def forward(
        self, z: torch.Tensor, classes: torch.Tensor | None = None, truncation: float = 1.0
    ) -> torch.Tensor:
        """classes: one-hot rows or mixtures of them, for a network that has some. truncation: 1 leaves all
        variety, 0 leaves the average alone."""
        x = on_sphere(z)
        if self.embed is not None:
            assert classes is not None
            x = torch.cat([x, on_sphere(self.embed(classes))], 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2) * 2**0.5
        return self.mean.lerp(x, truncation)
