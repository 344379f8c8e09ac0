"""A painter for the stage: when the graphics card gives up in the middle of a show, the processor goes on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from visualizer.neural.inference import Painter

OUT_OF_MEMORY = torch.cuda.OutOfMemoryError
# What torch raises when the driver or the card is gone; before 2.8 it had no name of its own.
LOST: type[RuntimeError] = getattr(torch, "AcceleratorError", RuntimeError)


class SteadfastPainter:
    """Paints with one painter until memory or the device fails it, from then on with another."""

    def __init__(self, first: Painter, other: Callable[[], Painter], tell: Callable[[str], None]):
        """other: makes the painter to go on with. tell: gets one sentence when that happens."""
        self._painter = first
        self._other: Callable[[], Painter] | None = other
        self._tell = tell

    @property
    def name(self) -> str:
        """That of the painter in use."""
        return self._painter.name

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes [n, 4096] float32 to pictures [n, 256, 256, 3] uint8 sRGB."""
        try:
            return self._painter(codes)
        except (OUT_OF_MEMORY, LOST) as error:
            if self._other is None:
                raise
            reason = "ran out of memory" if isinstance(error, OUT_OF_MEMORY) else "went away"
            self._painter, self._other = self._other(), None
            self._tell(f"the graphics card {reason}; going on with {self._painter.name}.")
            return self._painter(codes)
