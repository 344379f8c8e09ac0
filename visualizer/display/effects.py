"""Effects: what a preset does to the picture before it is shown.

They run in torch at the picture's own resolution, so that the window and the video file show the
same. One map of coordinates does framing, kaleidoscope, zoom and rotation at once: every pixel of the
frame looks up a place in the square picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from visualizer.display.framing import MARGIN, frame, frame_shape

if TYPE_CHECKING:
    from visualizer.preset import DisplayTable, DriveTable

# Loudness from here to full scale drives effects from 0 to 1.
QUIET_DB = -50.0
# Drives jump up with the sound and fall with this time constant, so that nothing twitches.
FALL_S = 0.18
GRAIN_SHIFT = 61  # pixels by which the grain is moved about, instead of drawn anew


class Drive:
    """The sound's influence on the effects: amounts that loudness and onset add to them."""

    def __init__(self, table: DriveTable):
        self._table = table
        self._levels = {"loudness": 0.0, "onset": 0.0}

    @property
    def acts(self) -> bool:
        """Whether the sound does anything at all."""
        return bool(self._table.onset or self._table.loudness)

    def update(self, loudness: float, onset: float, dt: float) -> None:
        """Follow the sound: loudness in dB, onset 0..1, dt in seconds."""
        fall = math.exp(-dt / FALL_S)
        now = {"loudness": min(1.0, max(0.0, 1 - loudness / QUIET_DB)), "onset": onset}
        self._levels = {name: max(now[name], fall * level) for name, level in self._levels.items()}

    def amount(self, effect: str, base: float, least: float, most: float) -> float:
        """A base value with what the sound adds, within its range."""
        for name, level in self._levels.items():
            base += level * getattr(self._table, name).get(effect, 0.0)
        return min(most, max(least, base))


class Effects:
    """A preset's display table at work. Stateful: trails and drifts live from frame to frame."""

    def __init__(self, table: DisplayTable, drive: DriveTable, aspect: float, picture_size: int = 256):
        """aspect: width / height of the frames to make."""
        self._table, self.aspect = table, aspect
        self._drive = Drive(drive)
        self._height, self._width = frame_shape(picture_size, aspect, table.fit)
        self._grid = self._base_grid(picture_size - 2 * MARGIN)
        self._trail: torch.Tensor | None = None
        self._time = 0.0
        self._frames = 0
        rng = torch.Generator().manual_seed(0)
        self._noise = torch.randn(self._height + GRAIN_SHIFT, self._width + GRAIN_SHIFT, generator=rng)
        y, x = self._centred()
        self._distance2 = (x * x + y * y) / 2
        self._places = torch.stack(torch.broadcast_tensors(x, y), -1)

    def _centred(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates -1..1 over the frame's height and width, [h, 1] and [1, w]."""
        y = (torch.arange(self._height) + 0.5) / self._height * 2 - 1
        x = (torch.arange(self._width) + 0.5) / self._width * 2 - 1
        return y[:, None], x[None, :]

    def _base_grid(self, size: int) -> torch.Tensor:
        """[h, w, 2]: where each pixel looks, in units of half the picture; centre 0, edge 1."""
        y, x = self._centred()
        half = size / 2
        y, x = y * (self._height / 2 / half), x * (self._width / 2 / half)
        y, x = torch.broadcast_tensors(y, x)
        if self._table.kaleidoscope:
            radius, angle = torch.hypot(x, y), torch.atan2(y, x)
            sector = math.pi / self._table.kaleidoscope
            angle = (torch.remainder(angle, 2 * sector) - sector).abs()
            x, y = radius * torch.cos(angle), radius * torch.sin(angle)
        return torch.stack([x, y], -1)

    def _follow(self, device: torch.device) -> None:
        """Go to the device where the pictures are."""
        if self._grid.device != device:
            self._grid, self._noise, self._distance2, self._places = (
                tensor.to(device) for tensor in (self._grid, self._noise, self._distance2, self._places)
            )
            self._trail = None

    @property
    def _is_plain(self) -> bool:
        t = self._table
        moving = t.zoom or t.spin or t.breathe or t.hue or t.trails or t.grain or t.vignette
        return not (moving or t.kaleidoscope or t.brightness != 1 or t.saturation != 1 or self._drive.acts)

    def __call__(self, picture: torch.Tensor, loudness: float, onset: float, dt: float) -> torch.Tensor:
        """One frame [h, w, 3] uint8 from a picture [256, 256, 3] uint8.

        loudness in dB, onset 0..1; dt: seconds since the last frame. A preset without effects gets
        the framed picture untouched.
        """
        self._drive.update(loudness, onset, dt)
        self._time += dt
        self._frames += 1
        self._follow(picture.device)
        if self._is_plain:
            return frame(picture, self.aspect, self._table.fit)
        inner = picture[MARGIN:-MARGIN, MARGIN:-MARGIN]
        image = self._warp(inner.permute(2, 0, 1)[None].float())
        image = self._trails(image, dt)
        return self._colour(image[0]).permute(1, 2, 0).add(0.5).clamp_(0, 255).to(torch.uint8)

    def _warp(self, image: torch.Tensor) -> torch.Tensor:
        t = self._table
        zoom = self._drive.amount("zoom", t.zoom, -0.5, 2.0)
        zoom += t.breathe * 0.5 * (1 - math.cos(2 * math.pi * self._time / 20))
        angle = self._time * t.spin * 2 * math.pi / 60
        scale = 1 / (1 + max(zoom, -0.5))
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        rotation = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float32, device=image.device)
        padding = "zeros" if t.fit == "fit" else "reflection"
        grid = self._grid if angle == 0 and zoom == 0 else self._grid @ rotation
        return F.grid_sample(image, grid[None], "bilinear", padding, align_corners=False)

    def _trails(self, image: torch.Tensor, dt: float) -> torch.Tensor:
        amount = self._drive.amount("trails", self._table.trails, 0.0, 0.97)
        if amount == 0 or self._trail is None:
            self._trail = image
            return image
        keep = amount ** (30 * dt)  # the setting is per thirtieth of a second
        drift = self._places * (1 - 0.2 * dt)
        old = F.grid_sample(self._trail, drift[None], "bilinear", "border", align_corners=False)
        self._trail = torch.lerp(image, old, keep)
        return self._trail

    def _colour(self, image: torch.Tensor) -> torch.Tensor:
        """image [3, h, w] on 0..255."""
        t = self._table
        turn = self._time * t.hue / 60 + self._drive.amount("hue", 0.0, -1.0, 1.0)
        saturation = self._drive.amount("saturation", t.saturation, 0.0, 2.0)
        brightness = self._drive.amount("brightness", t.brightness, 0.0, 2.0)
        if turn or saturation != 1 or brightness != 1:
            matrix = (brightness * hue_matrix(2 * math.pi * turn, saturation)).to(image.device)
            image = torch.einsum("ij,jhw->ihw", matrix, image)
        vignette = self._drive.amount("vignette", t.vignette, 0.0, 1.0)
        if vignette:
            image = image * (1 - vignette * self._distance2)
        grain = self._drive.amount("grain", t.grain, 0.0, 0.5)
        if grain:
            top, left = self._frames * 37 % GRAIN_SHIFT, self._frames * 23 % GRAIN_SHIFT
            noise = self._noise[top : top + self._height, left : left + self._width]
            image = image + 255 * 0.3 * grain * noise
        return image


def hue_matrix(angle: float, saturation: float) -> torch.Tensor:
    """[3, 3] turning colours around the grey axis by an angle in radians, greys unmoved.

    Rotation in the plane of constant Rec. 709 luma, so that hue drift does not flicker.
    """
    luma = torch.tensor([0.2126, 0.7152, 0.0722])
    grey = luma.expand(3, 3)
    third = 1 / 3
    root = math.sqrt(third)
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.full((3, 3), (1 - c) * third) + c * torch.eye(3)
    turn += s * root * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    turned = turn + (luma - luma @ turn).expand(3, 3)  # put the luma back that the turn took
    return grey + saturation * (turned - grey)
