"""A canvas in the processor's memory: compiled loops over lines of pixels.

Pictures lie in planes, one for each colour, and a loop does one thing to one line: so that it does it to
several pixels at once.
"""

from __future__ import annotations

import numpy as np
import torch

from visualizer.common.compiled import compiled, inlined
from visualizer.picture.effects.canvas import Ground, Moment

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
WHITE = np.float32(255)
U1, U3 = np.uint32(1), np.uint32(3)


class ProcessorCanvas:
    """Frames in the processor's memory."""

    def __init__(self, ground: Ground):
        self._ground = ground
        # The two parts of the square of a pixel's distance from the centre; a corner's is 1.
        self._down, self._across = (axis**2 / 2 for axis in ground.centred())
        # [3, h, w] on 0..255, before colours: the frame shown last and the next, and that without a trail.
        self._last, self._next, self._fresh = np.empty((3, 3, *ground.places.shape[1:]), np.float32)
        self._trails = False
        # The picture, where there are to be bars with a black edge around it.
        self._edge = int(ground.bars)
        side = ground.size + 2 * self._edge
        self._picture = np.zeros((side, side, 3), np.float32)

    def compose(self, picture: torch.Tensor, moment: Moment) -> torch.Tensor:
        ground, edge = self._ground, self._edge
        inner = slice(edge, edge + ground.size)
        self._picture[inner, inner] = picture.numpy()
        trails = moment.keep > 0 and self._trails
        _warp(
            *(self._picture, edge, ground.places, moment.cos, moment.sin),
            self._fresh if trails else self._next,
        )
        if trails:
            _mix(self._fresh, self._last, moment.keep, moment.drift, self._next)
        self._last, self._next, self._trails = self._next, self._last, True
        frame = torch.empty(*ground.places.shape[1:], 3, dtype=torch.uint8)
        noise = ground.noise[moment.shift[0] :, moment.shift[1] :]
        _colour(
            *(self._last, moment.colours, self._down, self._across, moment.vignette),
            *(noise, moment.grain, frame.numpy()),
        )
        return frame


@inlined
def _find(
    x: np.ndarray,
    y: np.ndarray,
    by_x: float,
    by_y: float,
    size: int,
    edge: int,
    first: np.ndarray,
    part: np.ndarray,
) -> None:
    """Write, for places along a line, the pixel of the picture that comes before, and how far on it is."""
    inner = size - 2 * edge
    half, last = np.float32(inner / 2), np.float32(size - 1)
    period, once = np.float32(2 * inner), np.float32(0.5 / inner)
    for i in range(len(x)):
        place = (x[i] * by_x + y[i] * by_y + ONE) * half
        if edge:
            place += HALF
        else:
            # In the mirror images around the picture, which with it repeat.
            place = abs(place)
            place -= np.float32(np.int32(place * once)) * period
            place = np.float32(inner) - abs(np.float32(inner) - place) - HALF
        place = place if place > ZERO else ZERO
        place = place if place < last else last
        before = np.int32(place)
        before = before if before < size - 2 else np.int32(size - 2)
        first[i], part[i] = before, place - np.float32(before)


@compiled("(float32[:,:,::1], int64, float32[:,:,::1], float32, float32, float32[:,:,::1])", nogil=True)
def _warp(
    picture: np.ndarray, edge: int, places: np.ndarray, cos: float, sin: float, image: np.ndarray
) -> None:
    """Write what lies at places turned by an angle, interpolated between pixels.

    edge: how many of the outermost pixels are black; beyond them all is, without them are reflections.
    """
    _, height, width = places.shape
    size = len(picture)
    top, left = np.empty(width, np.int32), np.empty(width, np.int32)
    below, after = np.empty(width, np.float32), np.empty(width, np.float32)
    lights = picture.reshape(-1)
    for row in range(height):
        x, y = places[0, row], places[1, row]
        _find(x, y, cos, -sin, size, edge, left, after)
        _find(x, y, sin, cos, size, edge, top, below)
        red, green, blue = image[0, row], image[1, row], image[2, row]
        for i in range(width):
            # Unsigned, or it would be looked whether they count from the end.
            here = np.uint32(3 * (top[i] * size + left[i]))
            under = here + np.uint32(3 * size)
            d = below[i] * after[i]
            b, c = after[i] - d, below[i] - d
            a = ONE - after[i] - c
            red[i] = a * lights[here] + b * lights[here + U3] + c * lights[under] + d * lights[under + U3]
            here, under = here + U1, under + U1
            green[i] = a * lights[here] + b * lights[here + U3] + c * lights[under] + d * lights[under + U3]
            here, under = here + U1, under + U1
            blue[i] = a * lights[here] + b * lights[here + U3] + c * lights[under] + d * lights[under + U3]


@inlined
def _scaled(i: int, n: int, scale: float) -> tuple[int, np.float32]:
    """(the pixel before the place that the i-th of n looks at, how far on it is to the next)."""
    place = (((i + HALF) / n * 2 - ONE) * scale + ONE) * n / 2 - HALF
    place = min(np.float32(n - 1), max(ZERO, place))
    return int(place), place - np.float32(int(place))


@compiled("(float32[:,:,::1], float32[:,:,::1], float32, float32, float32[:,:,::1])", nogil=True)
def _mix(fresh: np.ndarray, trail: np.ndarray, keep: float, scale: float, mixed: np.ndarray) -> None:
    """Write an image with some of a trail, which is looked up at places scaled around the centre."""
    colours, height, width = fresh.shape
    part = np.empty(width, np.float32)
    # Runs of pixels that look equally far aside.
    starts, aside = np.empty(width + 1, np.int64), np.empty(width, np.int64)
    runs = 0
    for x in range(width):
        first, part[x] = _scaled(x, width, scale)
        if x == 0 or first - x != aside[runs - 1]:
            starts[runs], aside[runs] = x, first - x
            runs += 1
    starts[runs] = width
    line = np.empty(width + 1, np.float32)
    for row in range(height):
        top, below = _scaled(row, height, scale)
        for colour in range(colours):
            upper, lower = trail[colour, top], trail[colour, min(top + 1, height - 1)]
            for x in range(width):
                line[x] = upper[x] + (lower[x] - upper[x]) * below
            line[width] = line[width - 1]
            for run in range(runs):
                start, end = starts[run], starts[run + 1]
                before, after = line[start + aside[run] :], line[start + aside[run] + 1 :]
                new, out, on = fresh[colour, row, start:end], mixed[colour, row, start:end], part[start:end]
                for i in range(end - start):
                    old = before[i] + (after[i] - before[i]) * on[i]
                    out[i] = new[i] + (old - new[i]) * keep


@inlined
def _code(light: np.float32) -> np.uint8:
    light = light if light > ZERO else ZERO
    return np.uint8(np.int32(light if light < WHITE else WHITE))


@compiled(
    "(float32[:,:,::1], float32[:,::1], float32[::1], float32[::1], float32, float32[:,:], float32,"
    " uint8[:,:,::1])",
    nogil=True,
)
def _colour(
    image: np.ndarray,
    colours: np.ndarray,
    down: np.ndarray,
    across: np.ndarray,
    vignette: float,
    noise: np.ndarray,
    grain: float,
    frame: np.ndarray,
) -> None:
    """Write an image with its colours multiplied, darker away from the centre, and grained, as codes."""
    _, height, width = image.shape
    codes = np.empty((3, width), np.uint8)
    light, add = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(height):
        grains = noise[row]
        for x in range(width):
            light[x] = ONE - vignette * (down[row] + across[x])
            add[x] = grain * grains[x] + HALF
        red, green, blue = image[0, row], image[1, row], image[2, row]
        for colour in range(3):
            of_red, of_green, of_blue = colours[colour, 0], colours[colour, 1], colours[colour, 2]
            out = codes[colour]
            for x in range(width):
                out[x] = _code(
                    light[x] * (of_red * red[x] + of_green * green[x] + of_blue * blue[x]) + add[x]
                )
        pixels = frame[row]
        for x in range(width):
            pixels[x, 0], pixels[x, 1], pixels[x, 2] = codes[0, x], codes[1, x], codes[2, x]
