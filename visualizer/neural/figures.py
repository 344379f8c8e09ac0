"""The figure of a show: one of a person's own, or the shipped one; read when it is needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from visualizer.common import assets, weights
from visualizer.latent.space import Space
from visualizer.neural.figure import Figure
from visualizer.neural.generator import CODE_DIM, strip_prefix

SHIPPED = "figure.safetensors"


class Figures:
    """Reads a figure's file: what it can be made of at once, its network when it is to be drawn."""

    def __init__(self, path: Path | None = None):
        """path: None is the shipped one. Raises UserError if a file was given that holds none."""
        self._path = path or assets.model(SHIPPED)
        tensors, _ = weights.load(self._path, "figure")
        mark = weights.fingerprint(strip_prefix(tensors, "encoder."))
        self.space = Space(CODE_DIM, mark, self._path)

    @cached_property
    def figure(self) -> Figure:
        """The network. Raises UserError if it is another version's."""
        return Figure.load(self._path)
