"""Painting a figure, and a troupe: whatever a code's shape is, a picture's or a body's, is painted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch

from visualizer.latent import body
from visualizer.neural.figure import Figure, Maps
from visualizer.neural.figures import Figures
from visualizer.neural.generator import fold_upsampling
from visualizer.neural.inference import Painting, make_painter
from visualizer.neural.layout import channels_last, to_uint8
from visualizer.neural.precision import fast_dtype


class TorchFigurePainter:
    """Plain PyTorch, any device."""

    def __init__(self, figure: Figure, device: torch.device, dtype: torch.dtype | None = None):
        """dtype: None chooses the fastest that the device computes natively, and exactly enough."""
        self.device, self.dtype = device, dtype or fast_dtype(device)
        self.name = f"PyTorch {str(self.dtype).removeprefix('torch.')}"
        self._figure = channels_last(fold_upsampling(figure).to(device, self.dtype))
        self._figure.maps = Maps().to(device)

    @torch.inference_mode()
    def __call__(self, shape: np.ndarray, matter: np.ndarray | None = None) -> np.ndarray:
        """Pictures [n, 256, 256, 3] uint8 of poses [n, POSE_DIM] and codes [n, 4096]."""
        assert matter is not None
        points = torch.from_numpy(body.on_stage(shape)).to(self.device)
        return to_uint8(self._figure(points, torch.from_numpy(matter).to(self.device, self.dtype)))


class Troupe:
    """Paints codes with a generator's painter, and those whose shape is a pose with a figure's."""

    def __init__(self, painter: Painting, figure: Callable[[], Painting]):
        """figure: makes its painter, when the first pose comes."""
        self._painter, self._make = painter, figure
        self._figure: Painting | None = None
        self._making = threading.Lock()

    def __call__(self, shape: np.ndarray, matter: np.ndarray) -> np.ndarray | torch.Tensor:
        """See `inference.Painter`."""
        if shape.shape[1] != body.POSE_DIM:
            return self._painter(shape, matter)
        with self._making:
            self._figure = self._figure or self._make()
        return self._figure(shape, matter)


def company(device: torch.device, threads: int | None = None) -> Troupe:
    """The shipped light generator and the shipped figure, for whatever preset."""
    from visualizer.neural import generators

    painter = make_painter(generators.load(), device, threads)
    return Troupe(painter, lambda: make_painter(Figures().figure, device, threads))
