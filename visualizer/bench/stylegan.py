"""A StyleGAN's ways to be painted, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from visualizer.bench.clock import side_by_side
from visualizer.bench.report import Row
from visualizer.common.cores import painting_threads
from visualizer.neural.inference import TorchPainter, make_painter
from visualizer.neural.stylegan.imported import StyleGan

PART = "imported generator"


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
