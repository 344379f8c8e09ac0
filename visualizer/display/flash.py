"""The flash limiter: holds back just as much of a new frame as keeps flashing within the rule.

It follows what was really shown. A frame that would break the rule is blended, in linear light,
with the frame before, only as far as keeps cells from making the transition that is one too many.
In linear light, because a blend's luminance is then exactly linear in its weight, of a pixel as of
any average of pixels: how far a cell may go has a closed form, and can be told from a coarse grid.

Showing the last frame again is always safe: it makes no transition, and the budgets are such that
time alone never breaks them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from visualizer.display.flash_rule import Grid
from visualizer.display.flash_transitions import DOWN, UP
from visualizer.display.flash_watch import Look, Watch

# The rule is kept as it stands and, for other people's analysers and codecs, tightened by this part.
MARGIN = 0.08
# Of a limited tile's cells, this part may still make a transition.
TILE_AREA = 0.12
# Luminance kept free below a transition when blending, for rounding to 8 bits.
ROUNDING = 0.006
# While the input goes on flashing, what is shown follows its mean with this time constant (seconds).
SMOOTHING = 0.4
# The input is calm in a place that made no transition for CALM seconds; it is caught up with in RELEASE.
CALM = 0.26
RELEASE = 0.2
# A place has a transition when this part of its cells has.
BUSY_TILE = 0.1
LEVELS = 64


class FlashLimiter:
    """Frames in, safe frames out: W3C WCAG 2.2 SC 2.3.1, general and red flashes, and sustained ones.

    A frame that keeps the rule comes out as it went in, the very same tensor. `held` tells how much
    of the last frame was held back (0..1, mean over the picture), `flashes` the worst count of
    flashes in the last second. The frame is taken to fill a 1024x768 view.

    For a picture that is composed elsewhere (on a graphics card), `decide` alone does the thinking:
    it takes the candidate on a coarse grid and answers with the weights to blend it with.
    """

    def __init__(self, enabled: bool = True, margin: float = MARGIN):
        """margin: tighten the thresholds by this part of them, 0..0.5."""
        if not 0 <= margin <= 0.5:
            raise ValueError(f"margin {margin} is not in 0..0.5")
        self.enabled = enabled
        self.margin = margin
        self.reset()

    def reset(self) -> None:
        """Forget what was shown, as at the start."""
        self.held = 0.0
        self._grid: Grid | None = None
        self._watch: Watch | None = None
        self._shown: torch.Tensor | None = None
        self._light: torch.Tensor | None = None
        self._forget_input()

    def _forget_input(self) -> None:
        self._input: Watch | None = None
        self._limited: torch.Tensor | None = None

    @property
    def flashes(self) -> float:
        """The most flashes that more than a quarter of any block made in the last second."""
        return 0.0 if self._watch is None else self._watch.flashes()

    def __call__(self, frame: torch.Tensor, dt: float) -> torch.Tensor:
        """The frame to show.

        frame: [h, w, 3] uint8 sRGB, CPU or CUDA. dt: seconds since the last frame was shown. The
        returned tensor may be `frame` itself, and is kept: don't overwrite it before the next call.
        A frame of another size or device starts afresh. Raises ValueError for anything else.
        """
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is [h, w, 3] uint8, not {list(frame.shape)} {frame.dtype}")
        _check_time(dt)
        if not self.enabled:
            self.reset()
            return frame
        size = tuple(frame.shape[:2])
        if self._grid is None or self._grid.size != size or self._grid.device != frame.device:
            self.reset()
            self._grid = Grid(*size, frame.device)
        linear = self._grid.measure(frame)
        alpha, seen = self._propose(linear, dt)
        if alpha is None:
            self._light = None
            self._watch.accept(seen)
            self._shown = frame
            return frame
        shown = self._blend(frame, alpha)
        seen = self._watch.look(self._grid.measure(shown))
        if seen.ok:
            self._shown = shown
        else:
            seen = self._watch.look(self._grid.measure(self._shown))
        self._watch.accept(seen)
        return self._shown

    def decide(self, linear: torch.Tensor, dt: float) -> torch.Tensor:
        """How much of the candidate to show where, [rows, columns] in 0..1, for [3, rows, columns].

        linear: the candidate frame averaged, in linear light, to a grid of at most 320x256 cells, RGB
        in 0..1; dt: seconds since the last frame was shown. The caller is to show
        last + alpha * (candidate - last) in linear light, alpha spread over the frame smoothly, and
        to keep that unrounded as the next `last`. Raises ValueError if the grid is too fine.
        """
        _check_time(dt)
        size = tuple(linear.shape[1:])
        if self._grid is None or self._grid.size != size or self._grid.device != linear.device:
            self.reset()
            self._grid = Grid(*size, linear.device)
            if self._grid.factor > 1:
                raise ValueError(f"a grid of {size[1]}x{size[0]} is too fine: 320x256 cells at most")
        if not self.enabled:
            self.reset()
            return torch.ones(size, device=linear.device)
        alpha, seen = self._propose(linear, dt)
        self._watch.accept(seen)
        return torch.ones(size, device=linear.device) if alpha is None else alpha

    def _propose(self, linear: torch.Tensor, dt: float) -> tuple[torch.Tensor | None, Look]:
        """(weights [rows, columns] or None for the whole new frame, what showing it does)."""
        self.held = 0.0
        if self._watch is None:
            self._watch = Watch(self._grid, (0.0, self.margin))
            self._last = linear
        self._watch.advance(dt)
        seen = self._watch.look(linear)
        if self._input is None and seen.ok:
            self._last = linear
            return None, seen
        if self._input is None:
            self._begin()
        cap, hostile = self._follow_input(linear, dt, seen)
        alpha, light, seen = self._fit(linear, seen, cap, hostile)
        self._last = light
        self.held = float(1 - alpha.mean())
        if self._release(alpha, cap):
            self._forget_input()
            return None, seen
        return alpha, seen

    # --- what the input does while it is limited -------------------------------------------------

    def _begin(self) -> None:
        tiles, device = self._grid.tiles, self._grid.device
        # What was shown so far was the input: the watch on the input starts from the same past.
        self._input = self._watch.fork(level=1)
        self._limited = torch.zeros(tiles, dtype=torch.bool, device=device)
        self._calm = torch.zeros(tiles, device=device)
        self._released = torch.zeros(tiles, device=device)

    def _follow_input(self, linear: torch.Tensor, dt: float, seen: Look) -> tuple[torch.Tensor, torch.Tensor]:
        """(most weight by tile, which tiles have to be kept still because their input goes on flashing)."""
        self._input.advance(dt)
        raw = self._input.look(linear)
        self._input.accept(raw)
        if not seen.ok:
            self._limited |= self._watch.bad_tiles(seen)
        moved = torch.zeros_like(self._limited)
        for kind in raw.kinds:
            if kind.moved is not None:
                moved |= self._grid.sum_tiles(kind.moved[0]) >= BUSY_TILE * self._grid.tile_cells
        self._calm = (self._calm + dt).masked_fill(moved, 0)
        hostile = self._limited & (self._calm < CALM) & self._input.restless_tiles(BUSY_TILE)
        self._released = (self._released + dt).masked_fill(hostile, 0)
        left = (1 - self._released / RELEASE).clamp(min=0)
        cap = 1 - torch.exp(-dt / (SMOOTHING * left * left).clamp(min=1e-6))
        return cap.masked_fill(~self._limited | (left == 0), 1), hostile

    def _release(self, alpha: torch.Tensor, cap: torch.Tensor) -> bool:
        """Let go of tiles that have caught up; True when there are none left."""
        held = self._grid.sum_tiles(alpha < 0.999) > 0
        self._limited &= held | (cap < 1)
        return not bool(held.any()) and not bool(self._limited.any())

    # --- how much of the new frame can be shown --------------------------------------------------

    def _fit(
        self, linear: torch.Tensor, seen: Look, cap: torch.Tensor, hostile: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, Look]:
        """(weights [rows, columns], the blend on the grid, what showing it does): the rule holds."""
        tiles, bad = cap, torch.zeros_like(hostile)
        fail = seen
        for _ in range(3):
            tiles = torch.minimum(tiles, self._room(linear, seen, fail, hostile))
            alpha = self._spread(tiles)
            light = torch.lerp(self._last, linear, alpha)
            candidate = self._watch.look(light)
            if candidate.ok:
                return alpha, light, candidate
            fail, failed = candidate, self._watch.bad_tiles(candidate)
            tiles = tiles.masked_fill(bad & failed, 0)
            bad |= failed
        alpha = torch.zeros_like(alpha)
        return alpha, self._last, self._watch.look(self._last)

    def _room(self, linear: torch.Tensor, seen: Look, fail: Look, hostile: torch.Tensor) -> torch.Tensor:
        """The most weight by tile that keeps blocked cells from making a transition.

        seen: what the whole new frame would do; fail: what broke the rule. Cells are blocked where
        they, or the block around them, are over the limit, and in hostile tiles after one transition.
        """
        grid, watch = self._grid, self._watch
        room = torch.ones(grid.tiles, device=grid.device)
        hostile_cells = hostile.view(-1)[grid.tile_of] if bool(hostile.any()) else None
        reaches, where = [], []
        for kind, made, failed, reach in zip(
            watch.kinds, seen.kinds, fail.kinds, (self._luminance_reach, self._red_reach), strict=True
        ):
            if made.moved is None:
                continue
            blocked = torch.zeros_like(made.moved[-1])
            if failed.bad_blocks is not None:
                tiles = kind.tiles_over(failed.bad_blocks, None)
                blocked |= tiles.view(-1)[grid.tile_of] & made.over.any(0)
            if failed.bad_events is not None:
                blocked |= kind.tiles_over(None, failed.bad_events).view(-1)[grid.tile_of]
            if hostile_cells is not None:
                blocked |= hostile_cells & (kind.cells.count[-1] >= 1)
            cells = (blocked & made.moved[-1]).view(-1).nonzero()[:, 0]
            if len(cells):
                where.append(cells)
                reaches.append(reach(linear, made.moves[:, -1].reshape(2, -1)[:, cells], cells))
        if where:
            room = self._quantile(torch.cat(reaches), torch.cat(where))
        general = fail.kinds[0]
        if general.bad_events is not None and bool(general.bad_events[:, -1].any()):
            room = torch.minimum(room.min(), self._mean_reach(linear)).expand(grid.tiles)
        return room

    def _quantile(self, reaches: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """By tile, the weight that takes no more than TILE_AREA of its cells as far as they reach."""
        grid = self._grid
        # Fine steps near 0, where a strong flash has to be held.
        level = (reaches.clamp(0, 1).sqrt() * (LEVELS - 1)).int()
        index = grid.tile_of.view(-1)[cells] * LEVELS + level
        tiles = grid.tiles[0] * grid.tiles[1]
        counts = torch.bincount(index, minlength=tiles * LEVELS).view(tiles, LEVELS).cumsum(1)
        allowed = (TILE_AREA * grid.tile_cells).view(-1, 1)
        free = (counts <= allowed).sum(1).float()
        room = (free / (LEVELS - 1)).square().masked_fill(free == LEVELS, 1)
        return room.view(grid.tiles)

    def _luminance_reach(
        self, linear: torch.Tensor, moves: torch.Tensor, cells: torch.Tensor
    ) -> torch.Tensor:
        """The weight at which each of the cells makes its transition; moves [up/down, cells]."""
        tracker, measure = self._watch.luminance, self._watch.relative_luminance
        begin, end = measure(self._last).view(-1)[cells], measure(linear).view(-1)[cells]
        step = tracker.step[-1].item() - ROUNDING
        low, high = tracker.low[-1].view(-1)[cells], tracker.high[-1].view(-1)[cells]
        target = torch.where(moves[UP], low + step, high - step)
        change = end - begin
        reach = (target - begin) / torch.where(change == 0, 1e-9, change)
        return torch.where(moves.any(0), reach, 1)

    def _mean_reach(self, linear: torch.Tensor) -> torch.Tensor:
        """The weight at which the mean luminance of the picture makes a transition."""
        tracker, measure = self._watch.mean, self._watch.relative_luminance
        begin, end = measure(self._last).mean(), measure(linear).mean()
        step = tracker.step[-1].item() - ROUNDING
        target = tracker.low[-1, 0, 0] + step if bool(end > begin) else tracker.high[-1, 0, 0] - step
        return ((target - begin) / (end - begin)).nan_to_num(1).clamp(0, 1)

    def _red_reach(self, linear: torch.Tensor, moves: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """The weight at which each of the cells turns, or leaves, saturated red; moves [up/down, cells]."""
        tracker = self._watch.red
        begin, end = self._last.view(3, -1)[:, cells], linear.view(3, -1)[:, cells]
        share = tracker.share_rows[-1]
        flare = tracker.share_flare[-1].item() + ROUNDING / 6
        share_begin, share_end = share @ begin + flare, share @ end + flare
        to_red = -share_begin / (share_end - share_begin).clamp(min=1e-9)
        if tracker.box is None:
            return to_red
        # A mixture of two lights lies on the line between them in u'v', at a part set by their weights.
        u0, v0 = tracker.chromaticity(begin)
        u1, v1 = tracker.chromaticity(end)
        box = tracker.box[:, -1].reshape(4, -1)[:, cells]
        corner_u = torch.where(u1 - box[0] > box[1] - u1, box[0], box[1])
        corner_v = torch.where(v1 - box[2] > box[3] - v1, box[2], box[3])
        du, dv, eu, ev = u1 - u0, v1 - v0, u0 - corner_u, v0 - corner_v
        step = 0.95 * tracker.step[-1].item()
        a, b, c = du * du + dv * dv, eu * du + ev * dv, eu * eu + ev * ev - step * step
        part = ((b * b - a * c).clamp(min=0).sqrt() - b) / a.clamp(min=1e-9)
        part = part.clamp(0, 1)
        w0, w1 = tracker.weight(begin), tracker.weight(end)
        from_red = part * w0 / (part * w0 + (1 - part) * w1)
        return torch.where(moves[DOWN], from_red, to_red)

    # --- the weights as a picture ----------------------------------------------------------------

    def _spread(self, tiles: torch.Tensor) -> torch.Tensor:
        """Weights by tile to smooth ones by cell, nowhere above those of the cell's own tile."""
        grid = self._grid
        lowest = tiles.min()
        if bool(lowest == tiles.max()):
            return lowest.expand(grid.shape)
        padded = F.pad(-tiles[None, None], (1, 1, 1, 1), mode="replicate")
        least = -F.max_pool2d(padded, 3, stride=1)
        full = tuple(n * grid.tile for n in grid.tiles)
        cells = F.interpolate(least, size=full, mode="bilinear", align_corners=False)
        cells = cells[0, 0, : grid.shape[0], : grid.shape[1]]
        return cells.masked_fill(cells > 0.999, 1).contiguous()

    def _blend(self, frame: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        """The last frame shown, moved towards `frame` by alpha, [h, w, 3] uint8."""
        grid = self._grid
        if self._light is None:
            self._light = grid.to_linear(self._shown)
        height, width = grid.size
        if bool(alpha.min() == alpha.max()):
            weights = alpha[:1, :1].expand(height, width)
        elif grid.factor == 1:
            weights = alpha
        else:
            inner = tuple(n * grid.factor for n in grid.shape)
            weights = F.interpolate(alpha[None, None], size=inner, mode="bilinear", align_corners=False)
            edge = (0, width - inner[1], 0, height - inner[0])
            weights = F.pad(weights, edge, mode="replicate")[0, 0]
        shown = torch.empty_like(frame)
        for top in range(0, height, 60):
            rows = slice(top, min(height, top + 60))
            self._light[rows].lerp_(grid.to_linear(frame[rows]), weights[rows, :, None])
            shown[rows] = grid.to_code(self._light[rows])
        return shown


def _check_time(dt: float) -> None:
    if not (math.isfinite(dt) and dt >= 0):
        raise ValueError(f"dt is {dt}; it is the time in seconds since the last frame, 0 or more")
