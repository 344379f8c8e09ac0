"""What trainers do alike: size what learns, update it, average it, settle, and keep their optimisers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from visualizer.learning import distributed
from visualizer.neural.generator import strip_prefix

SMALLEST_WEIGHT, SMALLEST_BIAS = 6e-4, 1e-2
LARGEST_GRADIENT = 10.0


def size(parameter: torch.Tensor) -> float:
    """A tensor's root mean square, what it learns in parts of."""
    smallest = SMALLEST_WEIGHT if parameter.ndim > 1 else SMALLEST_BIAS
    return max(smallest, float(parameter.detach().square().mean().sqrt()))


def adam(
    parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """An optimiser of tensors that each learn in parts of their size (You et al. 2017, arXiv:1708.03888)."""
    optimiser = torch.optim.Adam([{"params": [p], "size": size(p)} for p in parameters], rate, betas)
    settle([(optimiser, rate)], 0, 1)
    return optimiser


def update(network: nn.Module, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step down a loss, everyone's on average."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    distributed.average_gradients(network.parameters())
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimiser.step()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, steps: int) -> None:
    """Move averaged weights to a network's. decay: what stays of them in a step; less in the first of all."""
    decay = min(decay, (1 + steps) / (10 + steps))
    for averaged, current in zip(average.parameters(), network.parameters(), strict=True):
        averaged.lerp_(current, 1 - decay)


def settle(rates: Iterable[tuple[torch.optim.Optimizer, float]], done: float, settling: float) -> None:
    """Set learning rates, lower over the last part of a run, `settling` of it; done: what is over, 0..1."""
    left = max(0.05, min(1.0, (1 - min(1.0, done)) / settling))
    for optimiser, rate in rates:
        for group in optimiser.param_groups:
            group["lr"] = rate * left * group.get("size", 1.0)


def kept(optimisers: Mapping[str, torch.optim.Optimizer]) -> dict[str, torch.Tensor]:
    """What they know, for a checkpoint."""
    return {
        f"{name}.{index}.{key}": value
        for name, optimiser in optimisers.items()
        for index, state in optimiser.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore(optimisers: Mapping[str, torch.optim.Optimizer], tensors: dict[str, torch.Tensor]) -> None:
    """Let them know what was `kept`."""
    for name, optimiser in optimisers.items():
        saved = optimiser.state_dict()
        for place, value in strip_prefix(tensors, f"{name}.").items():
            index, key = place.split(".")
            saved["state"].setdefault(int(index), {})[key] = value
        optimiser.load_state_dict(saved)
