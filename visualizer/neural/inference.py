"""Drawing with a trained generator as fast as the machine allows."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from visualizer.common.errors import UserError
from visualizer.neural.figure import Figure
from visualizer.neural.generator import Generator, fold_upsampling
from visualizer.neural.layout import channels_last, to_uint8
from visualizer.neural.precision import fast_dtype
from visualizer.neural.stylegan.imported import StyleGan


class Painter(Protocol):
    """A generator made ready for inference.

    name: the library and the numbers it computes with, for people.
    """

    name: str

    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """Pictures [n, h, w, 3] uint8 sRGB of codes.

        shape: [n, d] float32, where things are. matter: [n, e] float32, what they are made of; None for the
        same codes, each of which then is drawn as it was found.
        """
        ...


Painting = Callable[[np.ndarray, np.ndarray], "np.ndarray | torch.Tensor"]
"""A painter, of shape and matter; its pictures are a tensor where they are on a card."""


def choose_device(name: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Raises UserError if CUDA is asked for but absent."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "no CUDA device was found; use --compute cpu, or install NVIDIA's driver and a CUDA torch."
        )
    return torch.device(name)


def make_painter(
    generator: Generator | StyleGan | Figure, device: torch.device, threads: int | None = None
) -> Painter:
    """The fastest painter for a device: CUDA graphs, or OpenVINO where it supports the processor, or PyTorch.

    threads: of the CPU, at most; None leaves it to the library.
    """
    if device.type == "cpu":
        try:
            from visualizer.neural.openvino_painter import OpenVinoFigurePainter, OpenVinoPainter
        except ImportError:  # there is no OpenVINO for this processor
            pass
        else:
            if isinstance(generator, Figure):
                return OpenVinoFigurePainter(generator, threads=threads)
            return OpenVinoPainter(generator, threads=threads)
    if isinstance(generator, Figure):
        from visualizer.neural.figure_painter import TorchFigurePainter

        return TorchFigurePainter(generator, device)
    if device.type == "cpu":
        return TorchPainter(generator, device)
    from visualizer.neural.cuda_painter import CudaPainter

    return CudaPainter(generator, device)


def pictures_a_second(painter: Painting, codes: np.ndarray, trials: int = 1) -> float:
    """How many pictures a second a painter draws here: the median of some trials, after a first that may take
    long. codes: [n, d], as many as it will draw at once."""
    painter(codes, codes)
    took = []
    for _ in range(trials):
        begun = time.perf_counter()
        painter(codes, codes)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        took.append(time.perf_counter() - begun)
    return len(codes) / statistics.median(took)


class TorchPainter:
    """Plain PyTorch: normalisation and upsampling folded, channels last, fast numbers; any device."""

    def __init__(
        self, generator: Generator | StyleGan, device: torch.device, dtype: torch.dtype | None = None
    ):
        """dtype: None chooses the fastest that the device computes natively, and exactly enough."""
        self.device = device
        self.dtype = dtype or (fast_dtype(device) if isinstance(generator, Generator) else torch.float32)
        self.name = f"PyTorch {str(self.dtype).removeprefix('torch.')}"
        if isinstance(generator, Generator):
            generator = fold_upsampling(generator)
        else:
            generator = copy.deepcopy(generator)
        self._generator = channels_last(generator.to(device, self.dtype))

    @torch.inference_mode()
    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """See `Painter`."""
        codes = [torch.from_numpy(c).to(self.device, self.dtype) for c in (shape, matter) if c is not None]
        return to_uint8(self._generator(*codes))
