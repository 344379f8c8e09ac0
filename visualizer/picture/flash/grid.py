"""The grid on which flashes are looked for: the cells of a picture, tiles of cells, and blocks of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from visualizer.common.compiled import compiled
from visualizer.picture.flash.rule import BLOCK

# The analysis grid: cells of at least 3.2 by 4 pixels of a 1024x768 view, near 0.1 degree, the size below
# which a balanced pattern is exempt.
MAX_GRID_WIDTH = 320
MAX_GRID_HEIGHT = 192


class Grid:
    """The analysis grid of pictures of one size, and the 10-degree blocks on it.

    A cell is a square of `factor` pixels; its colour is the mean in linear light. Areas are counted
    in tiles, squares of `tile` cells, and blocks lie at every tile. With tiles of one cell that is
    exact; otherwise a block is taken so much larger that it holds every block that lies in between,
    and what fills too much of one is looked at again, cell by cell.
    """

    def __init__(self, height: int, width: int, exact: bool = False):
        """Size of the pictures in pixels. Raises ValueError if a side is 0."""
        if height < 1 or width < 1:
            raise ValueError(f"a frame of {height} by {width} pixels has no picture")
        self.size = height, width
        factor = math.ceil(max(width / MAX_GRID_WIDTH, height / MAX_GRID_HEIGHT))
        self.factor = max(1, min(factor, height, width))
        self.shape = height // self.factor, width // self.factor
        self.n_cells = self.shape[0] * self.shape[1]
        self.cell_block = max(1, round(self.shape[0] * BLOCK[0])), max(1, round(self.shape[1] * BLOCK[1]))
        self.block_cells = self.cell_block[0] * self.cell_block[1]
        self.tile = 1 if exact else max(1, min(self.cell_block) // 10)
        self.tiles = math.ceil(self.shape[0] / self.tile), math.ceil(self.shape[1] / self.tile)
        outer = [math.ceil((b - 1) / self.tile) + 1 for b in self.cell_block]
        self.block = min(self.tiles[0], outer[0]), min(self.tiles[1], outer[1])
        self.positions = tuple(t - b + 1 for t, b in zip(self.tiles, self.block, strict=True))
        # What is surely within one block.
        self._inner = max(1, self.cell_block[0] // self.tile), max(1, self.cell_block[1] // self.tile)
        self.tile_cells = self.sum_tiles(np.ones(self.shape, np.int16))
        # Every `sampling`-th cell of every such row: enough to tell how much of a tile does what.
        self.sampling = 2 if self.tile >= 4 else 1
        samples = np.zeros(self.shape, np.int16)
        samples[:: self.sampling, :: self.sampling] = 1
        # How many there are in each tile and its neighbours, [tile rows, tile columns].
        self.samples_around = sums_within(np.pad(self.sum_tiles(samples), 1), (3, 3))

    def sum_tiles(self, cells: np.ndarray) -> np.ndarray:
        """[..., rows, columns] bool or int16 to the sums over each tile, [..., tile rows, tile columns]."""
        sums = np.empty((*cells.shape[:-2], *self.tiles), np.int16)
        _sum_tiles(cells.reshape(-1, *self.shape), self.tile, sums.reshape(-1, *self.tiles))
        return sums

    def to_cells(self, tiles: np.ndarray) -> np.ndarray:
        """[tile rows, tile columns] to [rows, columns], the same value all over a tile."""
        rows, columns = self.shape
        return tiles.repeat(self.tile, 1)[:, :columns].repeat(self.tile, 0)[:rows]

    def filled(self, tile_sums: np.ndarray) -> np.ndarray:
        """[..., tile rows, tile columns] cells set to the part of each block set, [..., positions]."""
        return sums_within(tile_sums, self.block) / np.float32(self.block_cells)

    def exceeds(
        self, tile_sums: np.ndarray, cells: Callable[[], np.ndarray], limit: float
    ) -> np.ndarray | None:
        """Blocks of which more than the part `limit` is set, [positions] bool; None if there are none.

        tile_sums: [tile rows, tile columns] of cells(), [rows, columns].
        """
        most = limit * self.block_cells
        if tile_sums.sum() <= most:
            return None
        blocks = self.filled(tile_sums) > limit
        return blocks if blocks.any() and self._exactly_exceeds(tile_sums, cells, most) else None

    def _exactly_exceeds(self, tile_sums: np.ndarray, cells: Callable[[], np.ndarray], most: float) -> bool:
        """Whether a block, wherever it lies, holds more than `most`."""
        if self.tile == 1:
            return True
        if sums_within(tile_sums, self._inner).max() > most:
            return True
        return bool(sums_within(cells(), self.cell_block).max() > most)

    def tiles_in(self, blocks: np.ndarray) -> np.ndarray:
        """Tiles in any of the blocks set: [positions] to [tile rows, tile columns], bool."""
        height, width = self.block
        # A tile is in all blocks that begin no more than their size before it.
        down, across = self.positions
        around = np.zeros((down + 2 * height - 2, across + 2 * width - 2), bool)
        around[height - 1 :, width - 1 :][:down, :across] = blocks
        return sums_within(around, self.block) > 0


def sums_within(values: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """The sums of numbers within a window of a size, at every place that it fits in.

    values: [..., rows, columns] integers; returns [..., places down, places across] int32.
    """
    *more, rows, columns = values.shape
    places = rows - window[0] + 1, columns - window[1] + 1
    sums = np.empty((*more, *places), np.int32)
    _slide(values.astype(np.int32).reshape(-1, rows, columns), sums.reshape(-1, *places))
    return sums


@compiled("(int32[:,:,::1], int32[:,:,::1])")
def _slide(values: np.ndarray, sums: np.ndarray) -> None:
    """Write the sums within a window; how large it is tells how much smaller `sums` is."""
    n, rows, columns = values.shape
    _, down, across = sums.shape
    height, width = rows - down + 1, columns - across + 1
    strip = np.empty(columns, np.int32)
    for i in range(n):
        strip[:] = 0
        for row in range(rows):
            for column in range(columns):
                strip[column] += values[i, row, column]
                if row >= height:
                    strip[column] -= values[i, row - height, column]
            top = row - height + 1
            if top < 0:
                continue
            within = 0
            for column in range(columns):
                within += strip[column]
                if column >= width:
                    within -= strip[column - width]
                if column >= width - 1:
                    sums[i, top, column - width + 1] = within


@compiled("(int16[:,:,::1], int64, int16[:,:,::1])", "(boolean[:,:,::1], int64, int16[:,:,::1])")
def _sum_tiles(cells: np.ndarray, tile: int, sums: np.ndarray) -> None:
    """Add up [n, rows, columns] over tiles, [n, tile rows, tile columns]."""
    n, rows, columns = cells.shape
    strip = np.empty(columns, np.int16)
    for i in range(n):
        for down in range(sums.shape[1]):
            strip[:] = 0
            for row in range(down * tile, min(rows, (down + 1) * tile)):
                for column in range(columns):
                    strip[column] += cells[i, row, column]
            for across in range(sums.shape[2]):
                total = 0
                for column in range(across * tile, min(columns, (across + 1) * tile)):
                    total += strip[column]
                sums[i, down, across] = total
