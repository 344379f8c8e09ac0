"""Sharpening on the processor: the same as the shader crisp.frag, which says what it is for."""

from __future__ import annotations

import numpy as np

# The filter reaches so many pixels to each side.
REACH = 2


class Sharpening:
    """Frees pictures of the generator's mesh and sharpens them, along the rows, then along the columns.

    Pictures lie in buffers with a margin, as one long line each: a neighbour is then always a fixed number of
    values away, and numpy gets long runs, on which it is fastest. What that computes for the margin means
    nothing.
    """

    def __init__(self) -> None:
        self._picture = self._half_done = np.zeros((0, 0, 3), np.int16)
        self._scratch = np.zeros((2, 0), np.int16)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """picture: [h, w, 3] uint8. Returns [h, w, 3] int16 on 0..255, valid until the next call."""
        height, width, _ = picture.shape
        shape = (height + 2 * REACH, width + 2 * REACH, 3)
        if self._picture.shape != shape:
            self._picture, self._half_done = np.zeros((2, *shape), np.int16)
            self._scratch = np.zeros((2, self._picture.size), np.int16)
        padded, inner = self._picture, slice(REACH, -REACH)
        padded[inner, inner] = picture
        padded[:, :REACH] = padded[:, REACH : REACH + 1]
        padded[:, -REACH:] = padded[:, -REACH - 1 : -REACH]
        self._along(3, padded, self._half_done)
        self._half_done[:REACH] = self._half_done[REACH]
        self._half_done[-REACH:] = self._half_done[-REACH - 1]
        self._along(3 * shape[1], self._half_done, padded)
        return padded[inner, inner]

    def _along(self, step: int, source: np.ndarray, target: np.ndarray) -> None:
        """Filter along one axis. step: how many values it is to the next pixel.

        The weights of five neighbours, (-3, 4, 14, 4, -3) / 16 at the shader's strength of 0.5, are those of
        (1, 1), (1, 1) and (-3, 10, -3) one after the other, which takes the fewest operations.
        """
        line = source.reshape(-1)
        n = line.size
        before, here, after = (line[i * step : n - (4 - i) * step] for i in (1, 2, 3))
        sharp = target.reshape(-1)[2 * step : n - 2 * step]
        pairs, soft = self._scratch[0, : n - step], self._scratch[1, : n - 2 * step]
        np.add(line[:-step], line[step:], out=pairs)
        np.add(pairs[:-step], pairs[step:], out=soft)
        np.add(soft[: -2 * step], soft[2 * step :], out=sharp)
        sharp *= -3
        middle = np.multiply(soft[step:-step], 10, out=self._scratch[0, : sharp.size])
        sharp += middle
        sharp += 8  # so that the shift rounds
        sharp >>= 4
        bound = self._scratch[0, : sharp.size]
        for farther, nearer in ((np.minimum, np.maximum), (np.maximum, np.minimum)):
            farther(before, after, out=bound)
            farther(bound, here, out=bound)
            nearer(sharp, bound, out=sharp)
