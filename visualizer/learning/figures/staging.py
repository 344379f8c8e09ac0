"""What a figure is to look like: a person cut out of a photo, in its own colours or of another matter,
lifted out of a calm, dark ground."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

# Mean luma of the ground, of a person in its own colours and of other matter, at least.
GROUND, PERSON, MATTER = 0.15, 0.5, 0.55
# How strongly a body's own light and shade shows on another matter, and how dark its edge is.
RELIEF, RIM = 0.9, 0.62


def luma(pictures: torch.Tensor) -> torch.Tensor:
    """[n, 1, h, w] of pictures [n, 3, h, w]."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device).view(1, 3, 1, 1)
    return (pictures * weights).sum(1, keepdim=True)


def staged(
    pictures: torch.Tensor,
    masks: torch.Tensor,
    matter: torch.Tensor | None = None,
    heads: torch.Tensor | None = None,
) -> torch.Tensor:
    """People [n, 3, 256, 256] with their masks [n, 1, 256, 256], staged; of matter [n, 3, 256, 256] if given.

    heads: [n, 1, 256, 256], how much a pixel is the head's, whose features show more.
    """
    if matter is None:
        figure, ground = _lifted(pictures, masks, PERSON), _calm(pictures)
    else:
        figure = _lifted(matter, torch.ones_like(masks), MATTER) * _relief(luma(pictures), masks, heads)
        ground = _calm(matter)
    return torch.lerp(ground, figure, masks).clamp(0, 1)


def _calm(pictures: torch.Tensor) -> torch.Tensor:
    """Blurred and dark."""
    size = pictures.shape[-1]
    blurred = F.interpolate(F.avg_pool2d(pictures, size // 16), scale_factor=2, mode="bilinear")
    blurred = F.interpolate(blurred, size=size, mode="bilinear")
    return blurred * (GROUND / luma(blurred).mean((2, 3), keepdim=True).clamp(min=0.03)).clamp(max=0.6)


def _lifted(pictures: torch.Tensor, masks: torch.Tensor, to: float) -> torch.Tensor:
    """Brighter, by a power, such that the mean luma within masks comes near to so much."""
    mean = (luma(pictures) * masks).sum((2, 3), keepdim=True) / masks.sum((2, 3), keepdim=True).clamp(min=1)
    return pictures.clamp(1e-3, 1) ** (math.log(to) / mean.clamp(0.02, 0.98).log()).clamp(0.45, 1)


def _relief(light: torch.Tensor, masks: torch.Tensor, heads: torch.Tensor | None) -> torch.Tensor:
    """Light and shade of a body, without its clothes' own lightness: what differs from its surroundings."""
    small = F.avg_pool2d(torch.cat([masks, light * masks], 1), 4)
    wide = F.interpolate(F.avg_pool2d(small, 7, 1, 3), scale_factor=4, mode="bilinear")
    usual = wide[:, 1:] / wide[:, :1].clamp(min=1e-3)
    near = F.interpolate(F.avg_pool2d(small[:, :1], 3, 1, 1), scale_factor=4, mode="bilinear")
    detail = ((light - usual) / (usual + 0.08)).clamp(-0.5, 0.8)
    strength = RELIEF if heads is None else RELIEF + heads
    return (1 + strength * detail).clamp(min=0.15) * (RIM + 0.5 * near)
