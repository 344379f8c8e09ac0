"""Dreaming: gradient ascent on a code until the classifier sees what it is asked for.

Activation maximization with a generator as prior (Nguyen et al. 2016, arXiv:1605.09304), in the
four exchangeable pieces of feature visualization (Olah et al. 2017): an objective, a
parametrisation, transforms, and a render loop. Stopping early keeps the picture abstract.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from visualizer.neural.classifier import Classifier
from visualizer.neural.generator import Generator

LEARNING_RATE = 0.08
WEIGHT_DECAY = 0.002
JITTER = 12


def random_shift(pictures: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Transform: shift all pictures by up to 12 pixels, continued by reflection."""
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, [JITTER] * 4, mode="reflect")
    y, x = torch.randint(0, 2 * JITTER + 1, (2,), generator=rng).tolist()
    return padded[..., y : y + height, x : x + width]


def class_objective(classes: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Objective: [n, 1000] logits to [n] losses, the cross-entropy of the wanted classes [n]."""
    return lambda logits: F.cross_entropy(logits, classes, reduction="none")


class Shell:
    """Parametrisation: codes that stay on the shell where the generator was trained.

    After each step every code is scaled back to its own starting norm, and no number may leave
    ±limit, which hardly any photo's does.
    """

    def __init__(self, start: torch.Tensor, limit: float = 6.0):
        """start: [n, 4096]."""
        self.codes = start.clone().requires_grad_(True)
        self.limit = limit
        self._radius = start.norm(dim=1, keepdim=True)

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring the codes back into the region."""
        self.codes.clamp_(-self.limit, self.limit)
        self.codes.mul_(self._radius / self.codes.norm(dim=1, keepdim=True))


@dataclass
class Dream:
    """codes: [n, 4096]; probability: [n], the wanted class's, without jitter; steps: [n] climbed."""

    codes: torch.Tensor
    probability: torch.Tensor
    steps: torch.Tensor


def climb(
    generator: Generator,
    classifier: Classifier,
    start: torch.Tensor,
    classes: torch.Tensor,
    stop_at: torch.Tensor,
    max_steps: int = 80,
    seed: int = 0,
) -> Dream:
    """Climb from start [n, 4096] towards classes [n], each until its probability reaches stop_at [n].

    The generator and classifier must be frozen. A climb that never arrives ends at its best point.
    """
    rng = torch.Generator().manual_seed(seed)
    shell = Shell(start)
    objective = class_objective(classes)
    optimiser = torch.optim.Adam([shell.codes], LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best_codes = start.clone()
    best = torch.zeros(len(start), device=start.device)
    steps = torch.zeros(len(start), dtype=torch.int64)
    running = torch.ones(len(start), dtype=torch.bool, device=start.device)

    for step in range(max_steps + 1):
        with torch.autocast(start.device.type, torch.bfloat16):
            pictures = generator(shell.codes)
            with torch.no_grad():
                seen = classifier(pictures).float().softmax(1).gather(1, classes[:, None])[:, 0]
        better = running & (seen > best)
        best = torch.where(better, seen, best)
        best_codes[better] = shell.codes.detach()[better]
        steps[better.cpu()] = step
        running &= seen < stop_at
        if step == max_steps or not running.any():
            break
        with torch.autocast(start.device.type, torch.bfloat16):
            losses = objective(classifier(random_shift(pictures, rng)).float())
        optimiser.zero_grad()
        losses[running].sum().backward()
        held = shell.codes.detach()[~running].clone()
        optimiser.step()
        shell.constrain()
        with torch.no_grad():
            shell.codes[~running] = held
    return Dream(best_codes, best, steps)
