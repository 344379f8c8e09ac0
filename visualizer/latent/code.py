"""A code: the two vectors that a picture is drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from visualizer.latent import shell


class Code(NamedTuple):
    """What to draw: where things are, and what they are made of.

    shape: [d] float32, the map that the generator begins with. matter: [e] float32, the style that steers its
    blocks. A vector of the bank is both at once.
    """

    shape: np.ndarray
    matter: np.ndarray


def blend(a: Code, b: Code, weight: float) -> Code:
    """Between two codes, on the shell where pictures live."""
    return Code(*(_between(*pair, weight) for pair in zip(a, b, strict=True)))


def _between(a: np.ndarray, b: np.ndarray, weight: float) -> np.ndarray:
    if a.shape != b.shape:  # between a picture's shape and a pose lies nothing
        return a if weight < 0.5 else b
    return shell.between(a, b, weight)


def stack(codes: list[Code]) -> tuple[np.ndarray, np.ndarray]:
    """Codes for a painter: ([n, d], [n, e])."""
    return np.stack([code.shape for code in codes]), np.stack([code.matter for code in codes])
