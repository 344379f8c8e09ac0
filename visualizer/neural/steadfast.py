"""A painter for the stage: when the graphics card gives up in the middle of a show, the processor goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch

from visualizer.neural.generator import Generator
from visualizer.neural.inference import make_painter
from visualizer.neural.stream import Painting
from visualizer.neural.stylegan.imported import StyleGan

# What torch raises when the card's memory is full, cuDNN or cuBLAS fail there, or the driver is gone: all of
# them RuntimeErrors, and which of them differs from version to version.
FAILURE = RuntimeError


def _why(error: Exception) -> str:
    """A clause on what the card did, in the words of the first line."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "ran out of memory"
    return f"failed ({str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__})"


class SteadfastPainter:
    """Paints with one painter until memory or the device fails it, from then on with another."""

    def __init__(self, first: Painting, other: Callable[[], Painting], tell: Callable[[str], None]):
        """other: makes the painter to go on with. tell: gets one sentence when that happens."""
        self._painter = self._first = first
        self._other, self._tell = other, tell
        self._changing = threading.Lock()

    def __call__(self, shape: np.ndarray, matter: np.ndarray) -> np.ndarray | torch.Tensor:
        """See `inference.Painter`."""
        painter = self._painter
        try:
            return painter(shape, matter)
        except FAILURE as error:
            if painter is not self._first:
                raise
            with self._changing:  # stills are painted while the show goes on: both may fail at once
                if self._painter is self._first:
                    self._tell(f"the graphics card {_why(error)}; the processor goes on.")
                    self._painter = self._other()
            return self._painter(shape, matter)


def show_painter(
    generator: Generator | StyleGan, device: torch.device, threads: int, tell: Callable[[str], None]
) -> Painting:
    """The painter for a window. On a card, pictures stay there until they are drawn.

    threads: of the processor, at most. tell: gets one sentence if the card fails and the processor goes on.
    """
    if device.type != "cuda":
        return make_painter(generator, device, threads)
    from visualizer.neural.cuda_painter import CudaPainter

    def on_processor() -> Painting:
        return make_painter(generator, torch.device("cpu"), threads)

    try:
        card = CudaPainter(generator, device)
    except FAILURE as error:
        tell(f"the graphics card {_why(error)}; the processor paints.")
        return on_processor()
    return SteadfastPainter(card.on_device, on_processor, tell)
