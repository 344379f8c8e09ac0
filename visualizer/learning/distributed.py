"""Training as one of several processes, started by torchrun; alone, everything here does nothing.

The processes share one joint batch: every random choice is drawn alike by all, each works on its share,
and statistics and gradients are averaged, so that the result is the same as one process's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn


def start(device: torch.device) -> torch.device:
    """Join the other processes if torchrun started this one; return this process's own device."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number; 0 saves and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(n: int) -> slice:
    """This process's part of n things that all drew alike; n must be divisible by `world_size`."""
    each = n // world_size()
    return slice(rank() * each, (rank() + 1) * each)


def gather(rows: torch.Tensor) -> torch.Tensor:
    """Everyone's rows [n, d], joined in order of rank; no gradient flows through."""
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one exchange."""
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(part.view_as(gradient))


def average_tensors(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """The mean of each tensor over the processes; the tensors given stay as they are."""
    averaged = [t.clone() for t in tensors]
    if world_size() > 1:
        for tensor in averaged:
            dist.all_reduce(tensor)
            tensor /= world_size()
    return averaged


def average(values: list[float]) -> list[float]:
    """The mean of each value over the processes."""
    if world_size() == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=_device())
    dist.all_reduce(tensor)
    return (tensor / world_size()).tolist()


def any_process(flag: bool) -> bool:
    """Whether any process raised the flag; all get the same answer."""
    if world_size() == 1:
        return flag
    tensor = torch.tensor(int(flag), device=_device())
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return bool(tensor)


@torch.no_grad()
def same_everywhere(tensors: Iterable[torch.Tensor]) -> None:
    """Copy rank 0's tensors over everyone's."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def _device() -> torch.device:
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
