"""Moment matching: what made pictures have too much or too little of on average.

A loss that compares pictures one by one hardly feels a fault that all of them share, such as being a
little soft. Here the mean features of made pictures are drawn to those of photos (the first moment of Li et
al. 2015, arXiv:1502.02761), over many batches, of which one alone would be too noisy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from visualizer.learning import distributed

# Of the running numbers, for each batch.
DECAY = 0.98


class MomentMatching(nn.Module):
    """Follows the mean difference of made and real features, several kinds of them side by side."""

    count: torch.Tensor
    shifts: torch.Tensor
    variances: torch.Tensor

    def __init__(self, channels: Sequence[int]):
        """channels: the number of features of each kind."""
        super().__init__()
        self.channels = list(channels)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("shifts", torch.zeros(sum(channels)))
        self.register_buffer("variances", torch.zeros(len(channels)))

    def forward(self, made: list[torch.Tensor], real: list[torch.Tensor]) -> torch.Tensor:
        """The squared distance of the means over the total variance of the real, averaged over the kinds.

        made, real: [n, c] of each kind. The value is of the running means; the gradient flows through
        this batch.
        """
        ours, theirs = (torch.cat([part.float() for part in parts], 1) for parts in (made, real))
        shift = ours.mean(0) - theirs.mean(0)
        self._follow(shift.detach(), theirs)
        # Twice the product has the gradient of the running shift's square, were this batch all of it.
        slope = 2 * self.shifts * shift
        squares = self.shifts.square() + slope - slope.detach()
        distances = torch.stack([part.sum() for part in squares.split(self.channels)])
        return (distances / self.variances).mean()

    @torch.no_grad()
    def _follow(self, shift: torch.Tensor, real: torch.Tensor) -> None:
        mean, square, shift = distributed.average_tensors([real.mean(0), real.square().mean(0), shift])
        variances = torch.stack([part.sum() for part in (square - mean.square()).split(self.channels)])
        self.count += 1
        weight = max(1 - DECAY, 1 / int(self.count))
        self.shifts.lerp_(shift, weight)
        self.variances.lerp_(variances, weight)
