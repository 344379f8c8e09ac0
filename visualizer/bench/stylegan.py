"""StyleGANs: one of the usual size to be measured beside ours, and an imported one's ways to be painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from visualizer.bench.clock import side_by_side
from visualizer.bench.report import Row
from visualizer.common.cores import painting_threads
from visualizer.neural.inference import TorchPainter, make_painter
from visualizer.neural.stylegan import stylegan2
from visualizer.neural.stylegan.imported import StyleGan, StyleGanPlan
from visualizer.neural.stylegan.mapping import MappingPlan

PART = "imported generator"
W_DIM = 512


def plan2(size: int) -> StyleGanPlan:
    """StyleGAN2 as its authors' programs configure it: half as many channels below 512 pixels."""
    base = 32768 if size >= 512 else 16384
    channels = tuple(min(512, base // 2**i) for i in range(2, size.bit_length()))
    mapping = MappingPlan(512, 0, 0, (W_DIM,) * 8)
    return StyleGanPlan(mapping, stylegan2.Architecture(W_DIM, channels, clamp=256.0))


def with_random_weights(plan: StyleGanPlan) -> StyleGan:
    """A network of which every layer keeps the size of its signals."""
    rng = torch.Generator().manual_seed(0)
    network = StyleGan(plan)
    for name, tensor in network.state_dict().items():
        kind = name.split(".")[-1]
        if kind in ("blur", "up_filter", "down_filter"):
            tensor.fill_(1 / tensor.numel())
        elif kind == "gain" or name.endswith("style.bias"):
            tensor.fill_(1.0)
        elif kind == "transform":
            tensor.copy_(torch.eye(3))
        elif tensor.ndim >= 2 and kind == "weight":
            tensor.copy_(torch.randn(tensor.shape, generator=rng) / tensor[0].numel() ** 0.5)
        else:
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=rng))
    return network.ready()


def measure_stylegan(network: StyleGan, device: torch.device, seconds: float) -> Iterator[Row]:
    """The program's own way and the plain network in float32: pictures a second, and how much they differ."""
    codes = network.random_codes(2, 0)[0].numpy(force=True)
    plain = TorchPainter(network, device, torch.float32)
    chosen = make_painter(network, device, painting_threads())
    shape, matter = codes[:1], codes[1:]
    ways: dict[str, Callable[[], object]] = {
        chosen.name: lambda: chosen(shape, matter),
        "plain eager float32": lambda: plain(shape, matter),
    }
    made = [painter(shape, matter).astype(float) for painter in (chosen, plain)]
    took = side_by_side(ways, seconds, device)
    slow = took["plain eager float32"]
    for name, s in took.items():
        yield Row(PART, f"{network.name}, {name}", 1 / s, "pictures/s", True, f"{slow / s:.2f} x plain")
    yield Row(PART, f"{network.name}, mean difference", float(np.abs(made[0] - made[-1]).mean()), "of 255")
