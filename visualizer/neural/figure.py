"""The figure: a network that draws a body of 33 points, made of what a code says.

It is the generator with a body put in. Limbs become maps (pix2pix: Isola et al. 2017, arXiv:1611.07004;
pose-guided: Ma et al. 2017, arXiv:1705.09368), which join its blocks where shapes are decided; and the style
that steers each block is one within the body and another around it (SPADE: Park et al. 2019,
arXiv:1903.07291). So the matter of any code dresses the dancer, and the ground stays behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.body import N_POINTS
from visualizer.neural.generator import (
    CHANNELS,
    CODE_CHANNELS,
    CODE_DIM,
    CODE_SIZE,
    REFINED,
    STYLE_DIM,
    UpBlock,
    shape_of,
    strip_prefix,
    without_mesh,
)
from visualizer.neural.layout import channels_last

MAP_SIZE = 64
# What is measured to know how large a body is, whichever way it stands: the mean of these, in its own metres.
MEASURED = (
    (11, 13),
    (12, 14),
    (13, 15),
    (14, 16),
    (23, 25),
    (24, 26),
    (25, 27),
    (26, 28),
    (11, 23),
    (12, 24),
)
MEASURE_M = 0.37
# Limbs from point to point, each a mean of two, and how thick they are in metres.
LIMBS = (
    ((7, 7), (8, 8), 0.10),
    ((7, 8), (11, 12), 0.06),
    ((11, 11), (12, 12), 0.07),
    ((11, 11), (23, 23), 0.09),
    ((12, 12), (24, 24), 0.09),
    ((23, 23), (24, 24), 0.10),
    ((11, 12), (23, 24), 0.12),
    ((11, 11), (13, 13), 0.055),
    ((12, 12), (14, 14), 0.055),
    ((13, 13), (15, 15), 0.045),
    ((14, 14), (16, 16), 0.045),
    ((15, 15), (17, 19), 0.045),
    ((16, 16), (18, 20), 0.045),
    ((23, 23), (25, 25), 0.085),
    ((24, 24), (26, 26), 0.085),
    ((25, 25), (27, 27), 0.06),
    ((26, 26), (28, 28), 0.06),
    ((29, 29), (31, 31), 0.045),
    ((30, 30), (32, 32), 0.045),
)
# Points with a map of their own: the face, which tells front from back. Their size in metres.
MARKS, MARK_M = ((0, 0), (2, 2), (5, 5), (9, 10)), 0.04
# Body, along, across and depth come with them.
N_MAPS = len(LIMBS) + len(MARKS) + 4
# How much more a pixel is of the limb in which it lies deeper; and how steeply the body ends.
NEAREST, EDGE = 6.0, 6.0
# Channels of the maps at 64 pixels and at half of it three times.
POSE_CHANNELS = (32, 48, 64, 96)


class Maps(nn.Module):
    """Bodies [n, 33, 3] to maps [n, N_MAPS, 64, 64] that a network can read.

    x and y in parts of the picture from its upper left, z on the same scale, less is nearer. Of each limb
    how deep in it a pixel lies: 1 on its axis, 0 on its edge, down to -1 outside; then the marks of the
    face; then how deep in the body; where along and across its limb, in metres and radii; and how much
    nearer than the body's middle, in metres.
    """

    ends: torch.Tensor
    radii: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        ends = torch.zeros(2 * len(LIMBS) + len(MARKS), N_POINTS)
        rows = [a for a, _, _ in LIMBS] + [b for _, b, _ in LIMBS] + list(MARKS)
        for row, pair in enumerate(rows):
            for point in pair:
                ends[row, point] += 0.5
        self.register_buffer("ends", ends, persistent=False)
        radii = torch.tensor([r for _, _, r in LIMBS]).view(1, -1, 1, 1)
        self.register_buffer("radii", radii, persistent=False)
        centres = (torch.arange(MAP_SIZE) + 0.5) / MAP_SIZE
        self.register_buffer("x", centres.view(1, 1, 1, -1), persistent=False)
        self.register_buffer("y", centres.view(1, 1, -1, 1), persistent=False)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        pairs = torch.tensor(MEASURED)
        lengths = (points[:, pairs[:, 0]] - points[:, pairs[:, 1]]).square().sum(2).sqrt()
        metre = (lengths.mean(1) / MEASURE_M).view(-1, 1, 1, 1)
        places = (self.ends @ points)[..., None, None]
        n = len(LIMBS)
        start, way, marks = places[:, :n], places[:, n : 2 * n] - places[:, :n], places[:, 2 * n :]
        x, y = self.x - start[:, :, 0], self.y - start[:, :, 1]
        wx, wy = way[:, :, 0], way[:, :, 1]
        length2 = wx * wx + wy * wy + 1e-6
        along = ((x * wx + y * wy) / length2).clamp(0, 1)
        dx, dy = x - along * wx, y - along * wy
        radius = self.radii * metre
        depth = (1 - (dx * dx + dy * dy + 1e-9).sqrt() / radius).clamp(-1, 1)
        share = torch.softmax(NEAREST * depth, 1)
        body = depth.amax(1, keepdim=True)
        within = body.clamp(min=0) ** 0.5
        length = length2.sqrt()
        u = (share * (along - 0.5) * (length / metre)).sum(1, keepdim=True)
        v = (share * ((x * wy - y * wx) / (length * radius)).clamp(-1, 1)).sum(1, keepdim=True)
        z = (share * (start[:, :, 2] + along * way[:, :, 2]) / metre).sum(1, keepdim=True)
        near = ((self.x - marks[:, :, 0]) ** 2 + (self.y - marks[:, :, 1]) ** 2) / (MARK_M * metre) ** 2
        return torch.cat([depth, torch.exp(-near), body, u * within, v * within, z * within], 1)


class FigureBlock(UpBlock):
    """A generator's block that a pose joins, steered by one style within the body and another around it."""

    def __init__(self, inputs: int, outputs: int, refined: bool, pose: int):
        super().__init__(inputs, outputs, refined)
        self.join = nn.Conv2d(pose, outputs, 1)

    def draw(
        self,
        x: torch.Tensor,
        style: torch.Tensor,
        ground: torch.Tensor,
        pose: torch.Tensor,
        body: torch.Tensor,
    ) -> torch.Tensor:
        """style, ground: [n, STYLE_DIM]; pose: [n, c, h, w] and body: [n, 1, h, w], 0..1, of the outcome's
        size."""
        x = F.leaky_relu(self.conv1(x) + self.join(pose), 0.2)
        around = self.modulate(ground)[:, :, None, None]
        more = self.modulate(style)[:, :, None, None] - around
        return self.steered(x, torch.addcmul(around, more, body))


class Figure(nn.Module):
    """Bodies [n, 33, 3] and codes [n, 4096] to pictures [n, 3, 256, 256], sRGB in 0..1."""

    def __init__(self, channels: Sequence[int] = CHANNELS, refined: int = REFINED) -> None:
        """channels, refined: as in `Generator`; five blocks."""
        super().__init__()
        self.channels, self.refined = tuple(channels), refined
        self.start = nn.Parameter(torch.zeros(CODE_CHANNELS, CODE_SIZE, CODE_SIZE))
        self.style, self.ground = nn.Linear(CODE_DIM, STYLE_DIM), nn.Linear(CODE_DIM, STYLE_DIM)
        self.maps = Maps()
        self.pose = nn.ModuleList(
            nn.Conv2d(i, o, 3, 2 if n else 1, padding=1)
            for n, (i, o) in enumerate(pairwise((N_MAPS, *POSE_CHANNELS)))
        )
        sizes = (CODE_CHANNELS, *channels)
        # The smallest block takes the smallest map; the last one takes the largest, enlarged.
        poses = (*reversed(POSE_CHANNELS), POSE_CHANNELS[0])
        self.blocks = nn.ModuleList(
            FigureBlock(i, o, n < refined, p) for n, ((i, o), p) in enumerate(zip(pairwise(sizes), poses))
        )
        self.to_rgb = nn.Conv2d(channels[-1], 3 * 4, 3, padding=1)

    space = ""
    """The mark of the space of its codes, as `Generator.space`."""

    @property
    def picture_size(self) -> int:
        """Pixels across."""
        return 2 * CODE_SIZE * 2 ** len(self.blocks)

    def forward(self, points: torch.Tensor, matter: torch.Tensor) -> torch.Tensor:
        style, ground = (F.leaky_relu(layer(matter), 0.2) for layer in (self.style, self.ground))
        with torch.autocast(points.device.type, enabled=False):
            maps = self.maps(points.float())
        poses, body = self.read(maps.to(self.start.dtype))
        x = self.start.expand(len(points), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for block, pose, inside in zip(self.blocks, poses, body):
            assert isinstance(block, FigureBlock)
            x = block.draw(x, style, ground, pose, inside)
        return torch.sigmoid(without_mesh(F.pixel_shuffle(self.to_rgb(x), 2)))

    def read(self, maps: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """What joins each block, and what of its outcome is body, from maps [n, N_MAPS, 64, 64]."""
        x = maps.contiguous(memory_format=torch.channels_last)
        poses: list[torch.Tensor] = []
        for conv in self.pose:
            x = F.leaky_relu(conv(x), 0.2)
            poses.insert(0, x)
        body = torch.sigmoid(EDGE * maps[:, len(LIMBS) + len(MARKS), None])
        bodies = [body]
        for _ in poses[1:]:
            bodies.insert(0, F.avg_pool2d(bodies[0], 2))
        poses.append(F.interpolate(poses[-1], scale_factor=2, mode="bilinear"))
        bodies.append(F.interpolate(body, scale_factor=2, mode="bilinear"))
        return poses, bodies

    @classmethod
    def load(cls, path: Path | str) -> Figure:
        """Read a figure file. Raises UserError if it isn't one."""
        found = weights.load(path, "figure")[0]
        try:
            figure = cls.of(strip_prefix(found, "figure."))
        except (KeyError, RuntimeError):
            raise UserError(
                f"{path} holds a figure of another version; train it again with this one."
            ) from None
        figure.space = weights.fingerprint(strip_prefix(found, "encoder."))
        return channels_last(figure.eval().requires_grad_(False))

    @classmethod
    def of(cls, state: dict[str, torch.Tensor]) -> Figure:
        """The figure of a state. Raises KeyError or RuntimeError if it has none."""
        figure = cls(*shape_of(state))
        figure.load_state_dict(state)
        return figure
