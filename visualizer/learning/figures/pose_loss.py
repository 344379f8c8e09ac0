"""Whether a pose is found in what was drawn, by a network that finds points, as a loss.

It looks at a figure as it would at a person: upright, in the middle, and cut out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from visualizer.latent import body
from visualizer.learning.finding.finder import MARGIN, N_POINTS, POINTS_SIZE
from visualizer.learning.finding.graph import Graph

# Points nearer than this are right, and those that are further away than that are no worse; in torsos.
NEAR, FAR = 0.05, 1.5
# Of points that are not the main ones, and of the face; of the network's doubt that there is anybody.
OTHERS, FACE, DOUBT = 0.3, 0.6, 0.1
# How far what is cut out varies.
LARGER, TURN = (0.92, 1.1), 0.08


class PoseLoss:
    """The mean distance of found points from where they should be, in torsos."""

    def __init__(self, network: Graph):
        """network: pictures [n, 256, 256, 3] to points [n, 195] and presence [n, 1]."""
        self._network = network
        weights = torch.full((N_POINTS,), OTHERS)
        weights[:11] = FACE
        weights[list(body.MAIN)] = 1.0
        self._weights = weights / weights.sum()

    def __call__(self, pictures: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """pictures [n, 3, h, w] in 0..1; points [n, 33, 3] in parts of them."""
        flat = points[:, :, :2]
        hips, shoulders = (flat[:, list(pair)].mean(1) for pair in (body.HIPS, body.SHOULDERS))
        up, n = shoulders - hips, len(points)
        reach = (flat[:, list(body.MAIN)] - hips[:, None]).norm(dim=2).amax(1)
        side = 2 * MARGIN * reach * torch.empty(n, device=points.device).uniform_(*LARGER)
        turn = torch.atan2(up[:, 0], -up[:, 1]) + TURN * torch.randn(n, device=points.device)
        cos, sin = turn.cos(), turn.sin()
        turned = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        place = torch.cat([turned * side[:, None, None], (2 * hips - 1)[:, :, None]], 2)
        with torch.autocast(pictures.device.type, enabled=False):
            grid = F.affine_grid(place, [n, 3, POINTS_SIZE, POINTS_SIZE], align_corners=False)
            cut = F.grid_sample(pictures.float(), grid, align_corners=False)
            outcome = self._network(cut.permute(0, 2, 3, 1))
        found = outcome["points"].view(n, -1, 5)[:, :N_POINTS, :2] / POINTS_SIZE - 0.5
        wanted = torch.einsum("nij,nkj->nki", turned.transpose(1, 2), flat - hips[:, None])
        torso = (flat[:, 11] - flat[:, 24]).norm(dim=1) + (flat[:, 12] - flat[:, 23]).norm(dim=1)
        torso = (torso / 2).clamp(min=0.1) / side
        away = (found - wanted / side[:, None, None]).square().sum(2).add(1e-6).sqrt() / torso[:, None]
        missed = (self._weights * (away - NEAR).clamp(0, FAR)).sum(1).mean()
        return missed - DOUBT * outcome["presence"].clamp(min=1e-4).log().mean()
