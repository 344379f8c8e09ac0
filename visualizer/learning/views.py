"""Views: the random looks that training takes at a picture, a made one and its photo alike.

A classifier with strided convolutions sees only some phases of the finest detail, and learns nothing from
small pictures of small things. Moved and enlarged, the same picture shows it what it would have missed;
and discriminators that never see the same photo twice can't learn it by heart (Karras et al. 2020,
arXiv:2006.06676).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

# Across, at which eyes look, and how often; multiples of 32. What is right at all of them is right at none by
# chance, and small looks are quick.
SIZES, OFTEN = (128, 160, 192, 224, 256), (0.1, 0.1, 0.15, 0.1, 0.55)
ENLARGED = 0.25
SMALLEST = 0.7
SHIFT = 0.04


def draw(n: int, rng: np.random.Generator) -> torch.Tensor:
    """n views [n, 3]: the side of the seen square as a share of the picture's, and its centre, -1..1."""
    enlarged = rng.random(n) < ENLARGED
    side = np.where(enlarged, rng.uniform(SMALLEST, 1, n), 1.0)
    slack = np.where(enlarged, 1 - side, SHIFT)
    centre = rng.uniform(-1, 1, (n, 2)) * slack[:, None]
    return torch.from_numpy(np.column_stack([side, centre]).astype(np.float32))


def draw_size(rng: np.random.Generator) -> int:
    """How many pixels across the next looks are."""
    return int(rng.choice(SIZES, p=OFTEN))


def look(pictures: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, h, w] seen through views [n, 3]; the size stays, the outside is reflected."""
    side, centre = views[:, 0], views[:, 1:]
    place = torch.zeros(len(views), 2, 3, device=pictures.device)
    place[:, 0, 0] = place[:, 1, 1] = side.to(pictures.device)
    place[:, :, 2] = centre.to(pictures.device)
    with torch.autocast(pictures.device.type, enabled=False):
        grid = F.affine_grid(place, list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)
