"""The shell: how far from the middle of their space the codes lie that make pictures.

Codes of photos have norms near 64; the mean of many does not, and renders to mud. What is mixed is therefore
carried outwards again, but not all the way: what its parts share loses nothing in the mean, so at their
radius it would stand out the more, the more is mixed, and pictures would turn harsh.
"""

from __future__ import annotations

import numpy as np

# Of what the mean's norm has lost, the power that stays lost: 0 for the full radius, 1 for the plain mean. By
# this one, pictures of two, three and five codes mixed have the contrast of one's, within a tenth.
INWARD = 1 / 3
TINY = 1e-9


def on_shell(mixed: np.ndarray, radius: float) -> np.ndarray:
    """A mixture [d] of codes, where it makes a picture. radius: the mean of theirs, and the largest."""
    norm = max(float(np.linalg.norm(mixed)), TINY)
    return mixed * (radius / norm * min(1.0, norm / max(radius, TINY)) ** INWARD)


def between(a: np.ndarray, b: np.ndarray, part: float) -> np.ndarray:
    """A part of the way, 0..1, from one code [d] to another."""
    radius = (1 - part) * np.linalg.norm(a) + part * np.linalg.norm(b)
    return on_shell((1 - part) * a + part * b, float(radius))
