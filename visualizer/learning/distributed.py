"""Training as one of several processes, started by torchrun; alone, everything here does nothing.

The processes share one joint batch: every random choice is drawn alike by all, each works on its share,
and statistics and gradients are averaged, so that the result is the same as one process's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


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


def same_everywhere(tensors: Iterable[torch.Tensor]) -> None:
    """Copy rank 0's tensors over everyone's."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def _device() -> torch.device:
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


class _Sum(torch.autograd.Function):
    """The sum over the processes; everybody's result has everybody's input in it: gradients add up, too."""

    @staticmethod
    def forward(context: object, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class JointBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the joint batch (PyTorch's SyncBatchNorm has no CPU version)."""

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        moments = torch.stack([x.float().mean((0, 2, 3)), x.float().square().mean((0, 2, 3))])
        mean, square = _Sum.apply(moments) / world_size()
        variance = square - mean.square()
        count = x.numel() / x.shape[1] * world_size()
        with torch.no_grad():
            self.num_batches_tracked += 1
            weight = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(variance * count / (count - 1), weight)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        shift = self.bias - mean * scale
        # In float32 to the end, as in one process: a rounded scale or shift is wrong for the whole channel.
        return (x * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


def with_joint_norms(network: Network) -> Network:
    """The network, its batch normalisation now over the joint batch."""
    for module in list(network.modules()):
        for name, norm in module.named_children():
            if type(norm) is nn.BatchNorm2d:
                joint = JointBatchNorm(norm.num_features)
                joint.load_state_dict(norm.state_dict())
                setattr(module, name, joint)
    return network
