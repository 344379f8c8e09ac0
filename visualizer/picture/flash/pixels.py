"""The pixels that the cells of the grid are made of: measured, and blended in linear light.

Light of pixels is float32 in 0..LIGHT, steps of the table that turns it into codes; codes are uint8 sRGB.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from visualizer.common.compiled import compiled, inlined
from visualizer.picture.flash.grid import Grid

# Linear light 1 in steps of CODES: fine enough to tell all codes apart.
LIGHT = 4095


def _light_of_codes() -> np.ndarray:
    code = np.arange(256) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return (LIGHT * light).astype(np.float32)


def _codes_of_light() -> np.ndarray:
    light = np.arange(LIGHT + 1) / LIGHT
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(1e-9) ** (1 / 2.4) - 0.055)
    return np.round(255 * code).astype(np.uint8)


ONE, HALF = np.float32(1), np.float32(0.5)
# So that nothing is held back by rounding.
SURELY_ALL = np.float32(1.0001)
LIGHTS = _light_of_codes()
CODES = _codes_of_light()


class Pixels(Protocol):
    """Frames of one size: as cells, and as blends of the one shown last with the next.

    Frames are [h, w, 3] uint8 sRGB on the device that they are made for. A frame given or returned is kept,
    and must not be written to.
    """

    def measure(self, frame: torch.Tensor) -> np.ndarray:
        """The means of linear light over the cells, [3, rows, columns] float32 in 0..1."""
        ...

    def show(self, frame: torch.Tensor) -> None:
        """This frame is what was shown last."""
        ...

    def blend(self, frame: torch.Tensor, weights: np.ndarray) -> np.ndarray:
        """Make a blend of the frame shown last and this one; measures it.

        weights: of this frame, 0..1, at the centres of tiles [tile rows, tile columns]; linear in between.
        """
        ...

    def show_blended(self) -> torch.Tensor:
        """What was blended last is what was shown last: from now on, with all of its fractions of codes."""
        ...


def make_pixels(grid: Grid, device: torch.device) -> Pixels:
    """For frames on a device."""
    return ProcessorPixels(grid) if device.type == "cpu" else CardPixels(grid, device)


def _between(n: int, size: int, tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """(the tile whose centre comes before each of n pixels, how far on it is to the next, 0..1).

    size: of a tile in pixels; tiles: how many there are.
    """
    place = ((np.arange(n) + 0.5) / size - 0.5).clip(0, tiles - 1)
    before = np.minimum(place.astype(np.int64), max(0, tiles - 2))
    return before, (place - before).astype(np.float32)


class ProcessorPixels:
    """Frames in the processor's memory: one pass over them, in compiled loops."""

    def __init__(self, grid: Grid):
        self._grid = grid
        size = grid.tile * grid.factor
        self._down, self._across = (_between(n, size, t) for n, t in zip(grid.size, grid.tiles, strict=True))
        self._last: np.ndarray | None = None
        # [h, w, 3]: of what was shown last, if that was a blend, and of the next blend.
        self._light: np.ndarray | None = None
        self._next_light: np.ndarray | None = None
        self._blended: torch.Tensor | None = None

    def measure(self, frame: torch.Tensor) -> np.ndarray:
        cells = np.empty((3, *self._grid.shape), np.float32)
        _measure(frame.contiguous().numpy(), LIGHTS, self._grid.factor, cells)
        return cells

    def show(self, frame: torch.Tensor) -> None:
        self._last = frame.contiguous().numpy()

    def blend(self, frame: torch.Tensor, weights: np.ndarray) -> np.ndarray:
        if self._light is None or self._next_light is None:
            self._light, self._next_light = np.empty((2, *self._grid.size, 3), np.float32)
        if self._last is not None:
            np.take(LIGHTS, self._last, out=self._light, mode="clip")
            self._last = None
        frame = frame.contiguous()
        self._blended = torch.empty_like(frame)
        cells = np.empty((3, *self._grid.shape), np.float32)
        _blend(
            *(frame.numpy(), self._light, weights.astype(np.float32)),
            *(*self._down, *self._across),
            *(LIGHTS, CODES, self._grid.factor),
            *(self._next_light, self._blended.numpy(), cells),
        )
        return cells

    def show_blended(self) -> torch.Tensor:
        assert self._blended is not None
        self._light, self._next_light = self._next_light, self._light
        return self._blended


@inlined
def _add_to_cells(codes: np.ndarray, lights: np.ndarray, factor: int, row: int, cells: np.ndarray) -> None:
    """Add the light of a line of pixels [w, 3] to a row of cells."""
    for column in range(cells.shape[2]):
        red = green = blue = np.float32(0)
        for x in range(column * factor, (column + 1) * factor):
            red += lights[codes[x, 0]]
            green += lights[codes[x, 1]]
            blue += lights[codes[x, 2]]
        cells[0, row, column] += red
        cells[1, row, column] += green
        cells[2, row, column] += blue


@compiled("(uint8[:,:,::1], float32[::1], int64, float32[:,:,::1])", nogil=True)
def _measure(frame: np.ndarray, lights: np.ndarray, factor: int, cells: np.ndarray) -> None:
    """Write the means of light over cells, 0..1."""
    cells[:] = 0
    for y in range(cells.shape[1] * factor):
        _add_to_cells(frame[y], lights, factor, y // factor, cells)
    cells *= np.float32(1 / (LIGHT * factor * factor))


@compiled(
    "(uint8[:,:,::1], float32[:,:,::1], float32[:,::1], int64[::1], float32[::1], int64[::1], float32[::1],"
    " float32[::1], uint8[::1], int64, float32[:,:,::1], uint8[:,:,::1], float32[:,:,::1])",
    nogil=True,
)
def _blend(
    frame: np.ndarray,
    light: np.ndarray,
    weights: np.ndarray,
    tile_above: np.ndarray,
    part_below: np.ndarray,
    tile_before: np.ndarray,
    part_after: np.ndarray,
    lights: np.ndarray,
    codes: np.ndarray,
    factor: int,
    blend: np.ndarray,
    blended: np.ndarray,
    cells: np.ndarray,
) -> None:
    """Blend light with a frame; write it, its codes, and the means of their light over cells."""
    height, width, _ = frame.shape
    tiles_down, tiles_across = weights.shape
    # Lines of pixels, and loops that do one thing: several pixels are done at once.
    at_tiles = np.empty((tiles_down, 3 * width), np.float32)
    for tile in range(tiles_down):
        for x in range(width):
            before = weights[tile, tile_before[x]]
            after = weights[tile, min(tile_before[x] + 1, tiles_across - 1)]
            for i in range(3 * x, 3 * x + 3):
                at_tiles[tile, i] = SURELY_ALL * (before + (after - before) * part_after[x])
    goal = np.empty(3 * width, np.float32)
    steps = np.empty(3 * width, np.uint32)
    cells[:] = 0
    for y in range(height):
        codes_in, codes_out = frame[y].reshape(-1), blended[y].reshape(-1)
        old, new = light[y].reshape(-1), blend[y].reshape(-1)
        above, below = at_tiles[tile_above[y]], at_tiles[min(tile_above[y] + 1, tiles_down - 1)]
        for i in range(3 * width):
            goal[i] = lights[codes_in[i]]
        for i in range(3 * width):
            weight = min(ONE, above[i] + (below[i] - above[i]) * part_below[y])
            # From the nearer end, so that all of either is exactly that.
            way = goal[i] - old[i]
            new[i] = old[i] + way * weight if weight < HALF else goal[i] - way * (ONE - weight)
            steps[i] = np.int32(new[i] + HALF)
        for i in range(3 * width):
            codes_out[i] = codes[steps[i]]
        if y // factor < cells.shape[1]:
            _add_to_cells(blended[y], lights, factor, y // factor, cells)
    cells *= np.float32(1 / (LIGHT * factor * factor))


class CardPixels:
    """Frames on a graphics card, or wherever torch computes; their cells come to the processor's memory."""

    def __init__(self, grid: Grid, device: torch.device | str):
        self._grid, self._device = grid, torch.device(device)
        size = grid.tile * grid.factor
        self._down, self._across = (
            self._slopes(n, size, t) for n, t in zip(grid.size, grid.tiles, strict=True)
        )
        self._codes = torch.from_numpy(CODES).to(device)
        self._lights = torch.from_numpy(LIGHTS).to(device)
        self._last: torch.Tensor | None = None
        # Light in planes, [3, h, w]: of what was shown last, if that was a blend, and of the next blend.
        self._light: torch.Tensor | None = None
        self._next_light: torch.Tensor | None = None
        self._blended: torch.Tensor | None = None

    def _slopes(self, n: int, size: int, tiles: int) -> torch.Tensor:
        """[n, tiles]: how much each tile's weight counts at each of n pixels."""
        before, part = (torch.from_numpy(a).to(self._device) for a in _between(n, size, tiles))
        slopes = torch.zeros(n, tiles + 1, device=self._device)
        slopes.scatter_(1, before[:, None], 1 - part[:, None])
        slopes.scatter_(1, before[:, None] + 1, part[:, None])
        return slopes[:, :tiles]

    def _light_of(self, codes: torch.Tensor) -> torch.Tensor:
        """[h, w, 3] codes to light in planes."""
        planes = codes.permute(2, 0, 1)
        return self._lights.index_select(0, planes.reshape(-1).int()).view(planes.shape)

    def _pool(self, light: torch.Tensor) -> np.ndarray:
        k = self._grid.factor
        rows, columns = self._grid.shape
        light = light[:, : rows * k, : columns * k].reshape(3, rows, k, columns, k)
        return (light.sum((2, 4)) * (1 / (LIGHT * k * k))).cpu().numpy()

    def measure(self, frame: torch.Tensor) -> np.ndarray:
        return self._pool(self._light_of(frame))

    def show(self, frame: torch.Tensor) -> None:
        self._last, self._light = frame, None

    def blend(self, frame: torch.Tensor, weights: np.ndarray) -> np.ndarray:
        if self._light is None:
            assert self._last is not None
            self._light = self._light_of(self._last)
        tiles = torch.from_numpy(weights.astype(np.float32)).to(self._device)
        each = (self._down @ tiles @ self._across.T).mul_(float(SURELY_ALL)).clamp_(max=1)
        self._next_light = torch.lerp(self._light, self._light_of(frame), each)
        index = self._next_light.add(0.5).int().view(-1)
        codes = self._codes.index_select(0, index)
        self._blended = codes.view(3, *self._grid.size).permute(1, 2, 0).contiguous()
        return self._pool(self._lights.index_select(0, codes.int()).view(3, *self._grid.size))

    def show_blended(self) -> torch.Tensor:
        assert self._blended is not None
        self._light = self._next_light
        return self._blended
