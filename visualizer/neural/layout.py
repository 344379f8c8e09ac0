"""How networks lie in memory, and the pictures that they draw."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The network, its filters with their channels last, as convolutions are fastest."""
    # PyTorch's annotations of `to` leave this argument out.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """[n, 3, h, w] float in 0..1 to [n, h, w, 3] uint8, rounded."""
    scaled = pictures.detach().float().clamp(0, 1).mul(255).add(0.5).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()
