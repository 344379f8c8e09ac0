"""Dreaming: gradient ascent on a code until the classifier sees what it is asked for.

Activation maximization with a generator as prior (Nguyen et al. 2016, arXiv:1605.09304), in the
four exchangeable pieces of feature visualization (Olah et al. 2017): an objective, a
parametrisation, transforms, and a render loop. Stopping early keeps the picture abstract.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from visualizer.learning.classifier import Classifier, probability_of
from visualizer.learning.eyes import for_classifiers
from visualizer.neural.generator import CODE_CHANNELS
from visualizer.neural.generators import AnyGenerator
from visualizer.neural.precision import fast_numbers

LEARNING_RATE = 0.08
JITTER = 12
# Multiples of 32, as the classifier needs; smaller ones also cost less.
SIZES = (192, 224, 256, 288)
ROTATION = 8.0

Transform = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""Pictures [n, 3, h, w] to pictures, all changed alike and at random: what survives this is no accident."""


def shift(pictures: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Transform: by up to 12 pixels, continued by reflection."""
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, [JITTER] * 4, mode="reflect")
    y, x = torch.randint(0, 2 * JITTER + 1, (2,), generator=rng).tolist()
    return padded[..., y : y + height, x : x + width]


def scale(pictures: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Transform: to another size."""
    size = SIZES[int(torch.randint(len(SIZES), (1,), generator=rng))]
    if size == pictures.shape[-1]:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", antialias=size < pictures.shape[-1])


def rotate(pictures: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Transform: by up to 8 degrees, the corners filled by reflection."""
    angle = math.radians(ROTATION * (2 * float(torch.rand((), generator=rng)) - 1))
    sin, cos = math.sin(angle), math.cos(angle)
    turn = torch.tensor([[[cos, sin, 0.0], [-sin, cos, 0.0]]], device=pictures.device)
    grid = F.affine_grid(turn.expand(len(pictures), -1, -1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)


TRANSFORMS: tuple[Transform, ...] = (shift, scale, rotate)


def class_objective(classes: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Objective: [n, 1000] logits to [n] losses, the cross-entropy of the wanted classes [n]."""
    return lambda logits: F.cross_entropy(logits, classes, reduction="none")


@dataclass(frozen=True)
class Region:
    """Where a generator's codes live.

    low, high: [4096], the bounds of every number, alike within a channel. least, most: of the norm.
    """

    low: torch.Tensor
    high: torch.Tensor
    least: float
    most: float

    @classmethod
    def around(cls, codes: torch.Tensor, n_channels: int = CODE_CHANNELS) -> Region:
        """What holds all but the outermost of codes [n, d] that the generator draws well.

        n_channels: that the numbers of a code belong to; those of one channel are alike.
        """
        codes = codes[:: -(-len(codes) // 1000)]  # enough to know
        channels = codes.reshape(len(codes), n_channels, -1).transpose(0, 1).flatten(1)
        cells = codes.shape[1] // n_channels
        low, high = (torch.quantile(channels, q, dim=1).repeat_interleave(cells) for q in (0.001, 0.999))
        norms = codes.norm(dim=1)
        return cls(low, high, float(norms.quantile(0.02)), float(norms.quantile(0.98)))


class Shell:
    """Parametrisation: codes that stay where the generator was trained.

    After each step no number leaves its channel's bounds, and every code is scaled back to its own
    starting norm, or to the nearest that the region has.
    """

    def __init__(self, start: torch.Tensor, region: Region):
        """start: [n, 4096]."""
        self.codes = start.clone().requires_grad_(True)
        self.region = region
        self._radius = start.norm(dim=1, keepdim=True).clamp(region.least, region.most)
        self.constrain()

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring the codes back into the region."""
        self.codes.copy_(torch.minimum(torch.maximum(self.codes, self.region.low), self.region.high))
        self.codes.mul_(self._radius / self.codes.norm(dim=1, keepdim=True))


@dataclass
class Dream:
    """codes: [n, 4096]; probability: [n], the wanted class's; steps: [n] climbed."""

    codes: torch.Tensor
    probability: torch.Tensor
    steps: torch.Tensor


def climb(
    generator: AnyGenerator,
    classifier: Classifier,
    start: torch.Tensor,
    classes: torch.Tensor,
    stop_at: torch.Tensor,
    region: Region,
    max_steps: int = 60,
    seed: int = 0,
    transforms: Sequence[Transform] = TRANSFORMS,
) -> Dream:
    """Climb from start [n, d] towards classes [n], each until its probability reaches stop_at [n].

    A climb has arrived when the class is seen both in the transformed picture and in the plain one; one
    that never arrives ends at its best point. Only climbs still under way cost time. The networks must
    be frozen.
    """
    device = start.device
    rng = torch.Generator().manual_seed(seed)
    shell = Shell(start, region)
    # By the usual size of a number in a code, which is 1 in the own generator's.
    usual = (region.least + region.most) / 2 / math.sqrt(start.shape[1])
    optimiser = torch.optim.Adam([shell.codes], LEARNING_RATE * usual)
    best = torch.zeros(len(start), device=device)
    best_codes = shell.codes.detach().clone()
    steps = torch.zeros(len(start), dtype=torch.int64, device=device)
    running = torch.arange(len(start), device=device)
    for step in range(max_steps + 1):
        codes = shell.codes[running]
        with fast_numbers(device):
            plain = for_classifiers(generator(codes))
            pictures = plain
            for transform in transforms:
                pictures = transform(pictures, rng)
            logits = classifier(pictures).float()
            seen = probability_of(logits, classes[running])
            hopeful = seen >= stop_at[running]
            if hopeful.any():
                with torch.no_grad():
                    also = probability_of(classifier(plain[hopeful]), classes[running][hopeful])
                seen[hopeful] = torch.minimum(seen[hopeful], also)
        better = seen > best[running]
        best[running[better]] = seen[better]
        best_codes[running[better]] = codes.detach()[better]
        steps[running[better]] = step
        climbing = seen < stop_at[running]
        losses = class_objective(classes[running])(logits)[climbing]
        running = running[climbing]
        if step == max_steps or not len(running):
            break
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        shell.constrain()
    return Dream(best_codes, best, steps.cpu())
