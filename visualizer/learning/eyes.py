"""How networks that look at pictures get to see them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from visualizer.neural.generator import PICTURE_SIZE


def for_classifiers(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, h, w] of any size, in the one at which classifiers look at them."""
    if pictures.shape[-1] == PICTURE_SIZE:
        return pictures
    smaller = pictures.shape[-1] > PICTURE_SIZE
    return F.interpolate(pictures.float(), PICTURE_SIZE, mode="bilinear", antialias=smaller)
