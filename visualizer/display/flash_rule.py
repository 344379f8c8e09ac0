"""The rule against flashes that can trigger photosensitive epilepsy: its numbers, colours and areas.

W3C WCAG 2.2, success criterion 2.3.1 "Three flashes or below threshold", with its definitions of
general flash and red flash; the limit on sustained flashing is that of broadcast analysers (at
least two flashes a second for four of five seconds: EA IRIS, after ITU-R BT.1702 and Ofcom).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

# A transition: relative luminance moves by this much between extremes, the darker one below DARK.
LUMINANCE_STEP = 0.1
DARK = 0.8
# A red transition: to or from R / (R + G + B) >= RED_SHARE, further than RED_STEP in CIE 1976 u'v'.
RED_SHARE = 0.8
RED_STEP = 0.2
# More than this part of a block (a third of the view's width and height) has to flash.
AREA = 0.25
BLOCK = 256 / 768, 341 / 1024
# Two opposing transitions are one flash; three flashes in any second are allowed.
WINDOW = 1.0
MAX_TRANSITIONS = 6
# Seconds of the last SUSTAINED_WINDOW that may hold SUSTAINED_TRANSITIONS or more in their WINDOW.
SUSTAINED_TRANSITIONS = 4
SUSTAINED = 4.0
SUSTAINED_WINDOW = 5.0
# Transitions of different places no further apart than this (seconds) are one event.
TOGETHER = 0.05

LUMINANCE = (0.2126, 0.7152, 0.0722)
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
# Light that any screen reflects: keeps the chromaticity of black defined, and that of near-black calm.
FLARE = 0.0005

# The analysis grid: cells near 0.1 degree, the size below which a balanced pattern is exempt.
MAX_GRID_WIDTH = 320
MAX_GRID_HEIGHT = 256


def _linear_table() -> torch.Tensor:
    code = torch.arange(256, dtype=torch.float64) / 255
    low, high = code / 12.92, ((code + 0.055) / 1.055) ** 2.4
    return torch.where(code <= 0.04045, low, high).float()


def _code_table(size: int = 4096) -> torch.Tensor:
    linear = torch.arange(size, dtype=torch.float64) / (size - 1)
    low, high = linear * 12.92, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
    return (torch.where(linear <= 0.0031308, low, high) * 255).round().to(torch.uint8)


LINEAR = _linear_table()
CODE = _code_table()


class Grid:
    """Frames of one size, their analysis grid, and the 10-degree blocks on it.

    A cell is a square of `factor` pixels; its colour is the mean in linear light. Areas are counted
    in tiles, squares of `tile` cells, and blocks lie at every tile. With tiles of one cell that is
    exact; otherwise a block is taken so much larger that it holds every block that lies in between,
    and what fills too much of one is looked at again, cell by cell.

    Masks and counts of cells are int16, of which a CPU does most at a time, and `padded`: to whole
    tiles, with cells that never change.
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
        self.cell_block = tuple(max(1, round(n * part)) for n, part in zip(self.shape, BLOCK, strict=True))
        self.block_cells = self.cell_block[0] * self.cell_block[1]
        self.tile = 1 if exact else max(1, min(self.cell_block) // 10)
        self.tiles = tuple(math.ceil(n / self.tile) for n in self.shape)
        self.padded = tuple(n * self.tile for n in self.tiles)
        self.block = tuple(
            min(t, math.ceil((b - 1) / self.tile) + 1)
            for b, t in zip(self.cell_block, self.tiles, strict=True)
        )
        self.positions = tuple(t - b + 1 for t, b in zip(self.tiles, self.block, strict=True))
        # Multiplied from the left and the right, they add up what is in each block.
        self.in_blocks = tuple(
            _bands(p, t, b, self.device) for p, t, b in zip(self.positions, self.tiles, self.block, strict=True)
        )
        # The same for the weights of tiles at every cell and at every pixel.
        self.at_cells = self._slopes(self.shape, self.tile)
        self.at_pixels = self._slopes(self.size, self.tile * self.factor)
        self.linear = LINEAR.to(self.device)
        self.code = CODE.to(self.device)
        ones = torch.ones(self.shape, dtype=torch.int16, device=self.device)
        self.tile_cells = self.sum_tiles(self.pad(ones)).float()
        row = torch.arange(self.shape[0], device=self.device) // self.tile
        column = torch.arange(self.shape[1], device=self.device) // self.tile
        self.tile_of = row[:, None] * self.tiles[1] + column

    def measure(self, frame: torch.Tensor) -> torch.Tensor:
        """[h, w, 3] uint8 sRGB to the grid's linear RGB, [3, rows, columns] float in 0..1."""
        if self.factor == 1:
            return self.to_linear(frame.permute(2, 0, 1))
        return self.pool(self.to_linear, frame)

    def pool(self, light: Callable[[torch.Tensor], torch.Tensor], frame: torch.Tensor) -> torch.Tensor:
        """Means over the cells, [3, rows, columns], of what `light` makes of rows of a frame [h, w, 3]."""
        k, (rows, columns) = self.factor, self.shape
        sums = torch.empty(rows, columns * k * 3, device=self.device)
        # A few rows at a time stay in the cache: four times as fast as the whole frame at once.
        step = max(1, 60 // k)
        for top in range(0, rows, step):
            bottom = min(rows, top + step)
            part = light(frame[top * k : bottom * k, : columns * k])
            torch.sum(part.reshape(bottom - top, k, -1), 1, out=sums[top:bottom])
        # To planes first: adding neighbours is much faster than summing over a short dimension.
        sums = sums.view(rows, columns, k, 3)
        planes = sums[:, :, 0].permute(2, 0, 1).contiguous()
        for i in range(1, k):
            planes += sums[:, :, i].permute(2, 0, 1)
        return planes.mul_(1 / (k * k))

    def to_linear(self, codes: torch.Tensor) -> torch.Tensor:
        """uint8 sRGB of any shape to linear light in 0..1."""
        return self.linear.index_select(0, codes.reshape(-1).int()).view(codes.shape)

    def to_code(self, linear: torch.Tensor) -> torch.Tensor:
        """Linear light in 0..1 to uint8 sRGB; gives back exactly what `to_linear` was given."""
        index = (linear * (len(self.code) - 1)).add_(0.5).int()
        return self.code.index_select(0, index.view(-1)).view(linear.shape)

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

    def sum_tiles(self, padded: torch.Tensor) -> torch.Tensor:
        """[..., padded rows, padded columns] to the sums over each tile, [..., tile rows, tile columns]."""
        k = self.tile
        if k == 1:
            return padded
        rows = padded[..., 0::k, :] + padded[..., 1::k, :]
        for i in range(2, k):
            rows += padded[..., i::k, :]
        sums = rows[..., 0::k] + rows[..., 1::k]
        for i in range(2, k):
            sums += rows[..., i::k]
        return sums

    def to_cells(self, tiles: torch.Tensor) -> torch.Tensor:
        """[..., tile rows, tile columns] to padded cells, the same value all over a tile."""
        (rows, columns), k = self.tiles, self.tile
        if k == 1:
            return tiles
        spread = tiles[..., :, None, :, None].expand(*tiles.shape[:-2], rows, k, columns, k)
        return spread.reshape(*tiles.shape[:-2], *self.padded)

    def between(self, tiles: torch.Tensor, pixels: bool = False) -> torch.Tensor:
        """Weights 0..1 by tile, taken at the tiles' centres, to linear ones [rows, columns] or by pixel."""
        down, across = self.at_pixels if pixels else self.at_cells
        weights = down @ (tiles @ across.T)
        return weights.masked_fill_(weights > 0.999, 1)

    def _slopes(self, shape: tuple[int, int], size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices of linear interpolation between the centres of tiles of a size."""
        slopes = []
        for n, tiles in zip(shape, self.tiles, strict=True):
            place = ((torch.arange(n, device=self.device) + 0.5) / size - 0.5).clamp(0, tiles - 1)
            away = (place[:, None] - torch.arange(tiles, device=self.device)).abs()
            slopes.append((1 - away).clamp(min=0))
        return tuple(slopes)

    def filled(self, tile_sums: torch.Tensor) -> torch.Tensor:
        """[..., tile rows, tile columns] cells set to the part of each block set, [..., positions]."""
        down, across = self.in_blocks
        return (down @ (tile_sums.float() @ across.T)).mul_(1 / self.block_cells)

    def exceeds(
        self, tile_sums: torch.Tensor, cells: Callable[[], torch.Tensor], limits: list[float]
    ) -> torch.Tensor | None:
        """Blocks of which more than limits[level] is set, [levels, positions] bool; None if there are none.

        tile_sums: [levels, tile rows, tile columns] of cells(), [levels, padded rows, padded columns].
        """
        most = [limit * self.block_cells for limit in limits]
        totals = tile_sums.sum((1, 2)).tolist()
        if all(total <= m for total, m in zip(totals, most, strict=True)):
            return None
        over = self.filled(tile_sums) > torch.tensor(limits, device=self.device).view(-1, 1, 1)
        levels = over.flatten(1).any(1).tolist()
        for level, limit in enumerate(most):
            if levels[level] and not self._exactly_exceeds(tile_sums[level], cells, level, limit):
                over[level] = False
                levels[level] = False
        return over if any(levels) else None

    def _exactly_exceeds(self, tile_sums: torch.Tensor, cells: Callable, level: int, most: float) -> bool:
        """Whether a block, wherever it lies, holds more than `most`."""
        if self.tile == 1:
            return True
        inner = tuple(max(1, b // self.tile) for b in self.cell_block)
        if float(_box_sums(tile_sums.float(), inner).max()) > most:
            return True
        exact = self.crop(cells()[level]).int()
        return float(_box_sums(exact, self.cell_block).max()) > most

    def tiles_in(self, blocks: torch.Tensor) -> torch.Tensor:
        """Tiles in any of the blocks set: [..., positions] to [..., tile rows, tile columns], bool."""
        down, across = self.in_blocks
        return down.T @ (blocks.float() @ across) > 0


def _bands(rows: int, columns: int, width: int, device: torch.device) -> torch.Tensor:
    """[rows, columns] with ones in `width` columns from the diagonal on."""
    offset = torch.arange(columns, device=device) - torch.arange(rows, device=device)[:, None]
    return ((offset >= 0) & (offset < width)).float()


def _box_sums(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Sums over every rectangle of a size that fits into [..., rows, columns]."""
    height, width = size
    sums = F.pad(planes.cumsum(-2).cumsum(-1), (1, 0, 1, 0))
    down = sums[..., height:, :] - sums[..., :-height, :]
    return down[..., width:] - down[..., :-width]
