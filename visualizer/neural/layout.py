"""How networks lie in memory."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The network, its filters with their channels last, as convolutions are fastest."""
    # PyTorch's annotations of `to` leave this argument out.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
