"""Grain: how much fine detail pictures have, and how evenly it lies.

A photo is crisp at its edges and still in its flat grounds. A network that was taught to be crisp covers
flat grounds with a fine mesh, too. In each octave the mean of blocks' energies tells how much detail there
is, and the mean of their logarithms, to which what is still counts most, where.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from visualizer.learning.relief import luminance

OCTAVES = 2
# Statistics of each picture.
GRAIN = 2 * OCTAVES
BLOCK = 8
# The energy of the noise of rounding to bytes, about.
FLAT = 1e-5


def grain(pictures: torch.Tensor) -> torch.Tensor:
    """[n, 4], of pictures [n, 3, h, w] in 0..1: logarithms, of the finest octave, then of the next."""
    with torch.autocast(pictures.device.type, enabled=False):
        rest, statistics = luminance(pictures), []
        for _ in range(OCTAVES):
            coarse = F.avg_pool2d(rest, 2)
            # What is left of four pixels without their mean.
            energy = F.avg_pool2d(rest.square(), 2) - coarse.square()
            blocks = F.avg_pool2d(energy, BLOCK // 2).flatten(1)
            statistics += [(blocks.mean(1) + FLAT).log(), (blocks + FLAT).log().mean(1)]
            rest = coarse
        return torch.stack(statistics, 1)
