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
    Only climbs still under way cost time.
    """
    rng = torch.Generator().manual_seed(seed)
    shell = Shell(start)
    optimiser = torch.optim.Adam([shell.codes], LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best = torch.zeros(len(start), device=start.device)
    best_codes = start.clone()
    steps = torch.zeros(len(start), dtype=torch.int64, device=start.device)
    running = torch.arange(len(start), device=start.device)

    def seen_in(pictures: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits, the wanted classes' probabilities) of pictures of the climbs numbered by rows."""
        logits = classifier(pictures).float()
        return logits, logits.detach().softmax(1).gather(1, classes[rows, None])[:, 0]

    for step in range(max_steps + 1):
        with torch.autocast(start.device.type, torch.bfloat16):
            pictures = generator(shell.codes[running])
            logits, seen = seen_in(random_shift(pictures, rng), running)
            hopeful = seen >= stop_at[running]
            if hopeful.any():  # was it only the luck of the shift?
                with torch.no_grad():
                    seen[hopeful] = seen_in(pictures[hopeful], running[hopeful])[1]
        better = running[seen > best[running]]
        best[running] = torch.maximum(best[running], seen)
        best_codes[better] = shell.codes.detach()[better]
        steps[better] = step
        climbing = seen < stop_at[running]
        losses = class_objective(classes[running])(logits)[climbing]
        running = running[climbing]
        if step == max_steps or not len(running):
            break
        optimiser.zero_grad()
        losses.sum().backward()
        arrived = torch.ones(len(start), dtype=torch.bool, device=start.device)
        arrived[running] = False
        held = shell.codes.detach()[arrived].clone()
        optimiser.step()
        shell.constrain()
        with torch.no_grad():
            shell.codes[arrived] = held
    with torch.no_grad(), torch.autocast(start.device.type, torch.bfloat16):
        _, probability = seen_in(generator(best_codes), torch.arange(len(start), device=start.device))
    return Dream(best_codes, probability, steps.cpu())
