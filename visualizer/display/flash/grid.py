"""The grid on which flashes are looked for: frames in linear light, their cells, tiles and blocks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.display.flash.rule import BLOCK

# The analysis grid: cells of at least 3.2 by 4 pixels of a 1024x768 view, near 0.1 degree, the size below
# which a balanced pattern is exempt.
MAX_GRID_WIDTH = 320
MAX_GRID_HEIGHT = 192
BAND_PIXELS = 1 << 16
# Linear light 1 in steps of CODE: fine enough to tell all codes apart.
LIGHT = 4095


def _linear_table() -> torch.Tensor:
    code = torch.arange(256, dtype=torch.float64) / 255
    low, high = code / 12.92, ((code + 0.055) / 1.055) ** 2.4
    return torch.where(code <= 0.04045, low, high).float()


def _code_table() -> torch.Tensor:
    linear = torch.arange(LIGHT + 1, dtype=torch.float64) / LIGHT
    low, high = linear * 12.92, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
    return (torch.where(linear <= 0.0031308, low, high) * 255).round().to(torch.uint8)


LINEAR = _linear_table()
CODE = _code_table()


T = TypeVar("T")


@cache
def _workers() -> ThreadPoolExecutor:
    def alone() -> None:
        torch.set_num_threads(1)

    n = min(4, os.cpu_count() or 1)
    return ThreadPoolExecutor(n, "flash limiter", initializer=alone)


class Grid:
    """Frames of one size, their analysis grid, and the 10-degree blocks on it.

    A cell is a square of `factor` pixels; its colour is the mean in linear light. Areas are counted
    in tiles, squares of `tile` cells, and blocks lie at every tile. With tiles of one cell that is
    exact; otherwise a block is taken so much larger that it holds every block that lies in between,
    and what fills too much of one is looked at again, cell by cell.

    Pixels and cells are tensors on the frames' device. Masks and counts of cells are int16, of which
    a CPU does most at a time, and padded to whole tiles with cells that never change. Tiles and
    blocks are numpy arrays: they are so few that calling torch would take longer than the work.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu", exact: bool = False):
        """Size of the frames in pixels. Raises ValueError if a side is 0."""
        if height < 1 or width < 1:
            raise ValueError(f"a frame of {height} by {width} pixels has no picture")
        self.size = height, width
        self.device = torch.device(device)
        factor = math.ceil(max(width / MAX_GRID_WIDTH, height / MAX_GRID_HEIGHT))
        self.factor = max(1, min(factor, height, width))
        self.shape = height // self.factor, width // self.factor
        self.n_cells = self.shape[0] * self.shape[1]
        self.cell_block = tuple(max(1, round(n * part)) for n, part in zip(self.shape, BLOCK, strict=True))
        self.block_cells = self.cell_block[0] * self.cell_block[1]
        self.tile = 1 if exact else max(1, min(self.cell_block) // 10)
        self.tiles = tuple(math.ceil(n / self.tile) for n in self.shape)
        self.padded = tuple(n * self.tile for n in self.tiles)
        outer = [math.ceil((b - 1) / self.tile) + 1 for b in self.cell_block]
        self.block = tuple(min(t, b) for t, b in zip(self.tiles, outer, strict=True))
        self.positions = tuple(t - b + 1 for t, b in zip(self.tiles, self.block, strict=True))
        # Multiplied from the left and the right, they add up what is in each block, or surely in one.
        self._outer = [_bands(t, b) for t, b in zip(self.tiles, self.block, strict=True)]
        inner = [max(1, b // self.tile) for b in self.cell_block]
        self._inner = [_bands(t, b) for t, b in zip(self.tiles, inner, strict=True)]
        # Likewise the weights of tiles at every cell and at every pixel.
        self._at_cells = self._slopes(self.shape, self.tile)
        self._at_pixels = self._slopes(self.size, self.tile * self.factor)
        self.codes = CODE.to(self.device)
        self.table = (LINEAR * LIGHT).to(self.device)
        self.rounded = self.table.index_select(0, self.codes.int())
        ones = torch.ones(self.shape, dtype=torch.int16, device=self.device)
        self.tile_cells = self.sum_tiles(self.pad(ones))
        # Cells that stand for all: enough to tell how much of a tile does what.
        step = 2 if self.tile >= 4 else 1
        cells = np.arange(self.n_cells).reshape(self.shape)[::step, ::step]
        tile_of = cells // self.shape[1] // self.tile * self.tiles[1] + cells % self.shape[1] // self.tile
        self.sampling = step
        self.samples = torch.from_numpy(cells.ravel()).to(self.device)
        self.tile_of_samples = torch.from_numpy(tile_of.ravel()).to(self.device)
        self.tile_samples = np.bincount(tile_of.ravel(), minlength=self.tile_cells.size).reshape(self.tiles)

    # --- pixels ----------------------------------------------------------------------------------
    # Light of pixels is linear and in planes, [3, h, w] float, in 0..LIGHT: steps of the code table.

    def by_bands(self, work: Callable[..., T], *inputs: list) -> list[T]:
        """Work on all rows of pixels, in whole cells, so few at a time that they stay in the cache.

        inputs: more arguments of `work`, one for each band.
        """
        rows = max(1, BAND_PIXELS // (self.size[1] * self.factor)) * self.factor
        bands = [slice(top, top + rows) for top in range(0, self.size[0], rows)]
        # Looking up in tables is what takes longest, and torch does it on one core only.
        many = len(bands) >= 4 and self.device.type == "cpu"
        if not many:
            return list(map(work, bands, *inputs))
        inference = torch.is_inference_mode_enabled()

        def likewise(*arguments) -> T:  # the mode is each thread's own
            with torch.inference_mode(inference):
                return work(*arguments)

        return list(_workers().map(likewise, bands, *inputs))

    def light(self, frame: torch.Tensor) -> torch.Tensor:
        """[h, w, 3] uint8 sRGB to light."""
        planes = frame.permute(2, 0, 1)
        return self.table.index_select(0, planes.reshape(-1).int()).view(planes.shape)

    def round(self, light: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Light to (uint8 sRGB, its light), both in planes; exactly what `light` was given, if it was."""
        index = light.add(0.5).int().view(-1)
        codes = self.codes.index_select(0, index).view(light.shape)
        return codes, self.rounded.index_select(0, index).view(light.shape)

    def pool(self, light: torch.Tensor) -> torch.Tensor:
        """Light to its means over the cells, [3, rows, columns] in 0..1."""
        k = self.factor
        if k > 1:
            rows, width = light.shape[1] // k * k, self.shape[1] * k
            sums = light[:, 0:rows:k, :width] + light[:, 1:rows:k, :width]
            for i in range(2, k):
                sums += light[:, i:rows:k, :width]
            light = sums[..., 0::k] + sums[..., 1::k]
            for i in range(2, k):
                light += sums[..., i::k]
        return light * (1 / (LIGHT * k * k))

    def lights(self, frame: torch.Tensor) -> list[torch.Tensor]:
        """The light of [h, w, 3] uint8 sRGB, band by band."""
        return self.by_bands(lambda rows: self.light(frame[rows]))

    def measure(self, frame: torch.Tensor) -> torch.Tensor:
        """[h, w, 3] uint8 sRGB to the grid's linear RGB, [3, rows, columns] float in 0..1."""
        return joined(self.by_bands(lambda rows: self.pool(self.light(frame[rows]))))

    # --- cells -----------------------------------------------------------------------------------

    def pad(self, cells: torch.Tensor) -> torch.Tensor:
        """[..., rows, columns] to whole tiles, [..., padded rows, padded columns]."""
        if self.padded == self.shape:
            return cells
        padded = cells.new_zeros(*cells.shape[:-2], *self.padded)
        padded[..., : self.shape[0], : self.shape[1]] = cells
        return padded

    def crop(self, padded: torch.Tensor) -> torch.Tensor:
        """The opposite of `pad`."""
        return padded[..., : self.shape[0], : self.shape[1]]

    def sum_tiles(self, padded: torch.Tensor) -> np.ndarray:
        """[..., padded rows, padded columns] to the sums over each tile, [..., tile rows, tile columns]."""
        k = self.tile
        if k > 1:
            for dim in (-2, -1):
                padded = padded.unflatten(dim, (-1, k)).sum(dim, dtype=padded.dtype)
        return padded.numpy(force=True)

    def to_cells(self, tiles: np.ndarray) -> torch.Tensor:
        """[..., tile rows, tile columns] to padded cells, the same value all over a tile."""
        k = self.tile
        rows = torch.from_numpy(tiles.repeat(k, -1)).to(self.device)
        if k == 1:
            return rows
        return rows[..., :, None, :].expand(*tiles.shape[:-1], k, -1).reshape(*tiles.shape[:-2], *self.padded)

    def between(self, tiles: np.ndarray, pixels: bool = False) -> torch.Tensor:
        """Weights 0..1 by tile, taken at the tiles' centres, to linear ones [rows, columns] or by pixel."""
        down, across = self._at_pixels if pixels else self._at_cells
        weights = down @ (torch.from_numpy(tiles).to(self.device) @ across.T)
        # So that nothing is held back by rounding.
        return weights.mul_(1.0001).clamp_(max=1)

    def _slopes(self, shape: tuple[int, int], size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices of linear interpolation between the centres of tiles of a size."""
        slopes = []
        for n, tiles in zip(shape, self.tiles, strict=True):
            place = ((torch.arange(n, device=self.device) + 0.5) / size - 0.5).clamp(0, tiles - 1)
            away = (place[:, None] - torch.arange(tiles, device=self.device)).abs()
            slopes.append((1 - away).clamp(min=0))
        down, across = slopes
        return down, across

    # --- tiles and blocks ------------------------------------------------------------------------

    def filled(self, tile_sums: np.ndarray) -> np.ndarray:
        """[..., tile rows, tile columns] cells set to the part of each block set, [..., positions]."""
        down, across = self._outer
        return (down @ tile_sums.astype(np.float32) @ across.T) / np.float32(self.block_cells)

    def exceeds(
        self, tile_sums: np.ndarray, cells: Callable[[], torch.Tensor], limit: float
    ) -> np.ndarray | None:
        """Blocks of which more than the part `limit` is set, [positions] bool; None if there are none.

        tile_sums: [tile rows, tile columns] of cells(), [padded rows, padded columns].
        """
        most = limit * self.block_cells
        if tile_sums.sum() <= most:
            return None
        blocks = self.filled(tile_sums) > limit
        return blocks if blocks.any() and self._exactly_exceeds(tile_sums, cells, most) else None

    def _exactly_exceeds(self, tile_sums: np.ndarray, cells: Callable[[], torch.Tensor], most: float) -> bool:
        """Whether a block, wherever it lies, holds more than `most`."""
        if self.tile == 1:
            return True
        down, across = self._inner
        if (down @ tile_sums.astype(np.float32) @ across.T).max() > most:
            return True
        height, width = self.cell_block
        sums = F.pad(self.crop(cells()).int().cumsum(0).cumsum(1), (1, 0, 1, 0))
        sums = sums[height:] - sums[:-height]
        return int((sums[:, width:] - sums[:, :-width]).max()) > most

    def tiles_in(self, blocks: np.ndarray) -> np.ndarray:
        """Tiles in any of the blocks set: [..., positions] to [..., tile rows, tile columns], bool."""
        down, across = self._outer
        return down.T @ blocks.astype(np.float32) @ across > 0


def joined(bands: list[torch.Tensor]) -> torch.Tensor:
    """Cells of bands of rows, [3, rows of a band, columns], to those of the whole frame."""
    return bands[0] if len(bands) == 1 else torch.cat(bands, 1)


def set_places(mask: torch.Tensor) -> torch.Tensor:
    """Where a mask, taken flat, is not 0; int64."""
    if mask.device.type == "cpu":
        # Many times as fast as nonzero, and as on numbers.
        return torch.from_numpy(np.flatnonzero(mask.bool().numpy()))
    return mask.reshape(-1).nonzero()[:, 0]


def _bands(tiles: int, width: int) -> np.ndarray:
    """[tiles - width + 1, tiles] with ones in `width` columns from the diagonal on."""
    offset = np.arange(tiles) - np.arange(tiles - width + 1)[:, None]
    return ((offset >= 0) & (offset < width)).astype(np.float32)
