"""A preset's display table at work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from visualizer.audio.accents import Accents
from visualizer.picture.effects.canvas import GRAIN_SHIFT, Canvas, Ground, Moment, centred
from visualizer.picture.effects.card import CardCanvas
from visualizer.picture.effects.drive import Drive
from visualizer.picture.effects.processor import ProcessorCanvas
from visualizer.picture.framing import MARGIN, frame, frame_shape

if TYPE_CHECKING:
    from visualizer.control.preset import DisplayTable, DriveTable


class Effects:
    """What a preset's display table does to pictures. Trails and turns go on from frame to frame."""

    def __init__(self, table: DisplayTable, drive: DriveTable, aspect: float, picture_size: int = 256):
        """aspect: width / height of the frames to make."""
        self._table, self.aspect = table, aspect
        self._drive = Drive(drive)
        self._shape = frame_shape(picture_size, aspect, table.fit)
        noise = np.random.default_rng(0).standard_normal([n + GRAIN_SHIFT for n in self._shape], np.float32)
        inner = picture_size - 2 * MARGIN
        self._ground = Ground(inner, self._places(inner), table.fit == "fit", noise)
        self._canvas: Canvas | None = None
        self._device: torch.device | None = None
        self._time = self._turns = self._hue = 0.0
        self._frames = 0

    def adjust(self, table: DisplayTable) -> bool:
        """Go on by another table, without a jump in anything that moves; False if that takes new effects."""
        if (table.fit, table.kaleidoscope) != (self._table.fit, self._table.kaleidoscope):
            return False
        self._table = table
        return True

    def _places(self, size: int) -> np.ndarray:
        """`Ground.places` for pictures of a size in pixels: framing and kaleidoscope."""
        y, x = (centred(n) * (n / size) for n in self._shape)
        y, x = np.broadcast_arrays(y[:, None], x[None, :])
        if self._table.kaleidoscope:
            radius, angle = np.hypot(x, y), np.arctan2(y, x)
            sector = np.pi / self._table.kaleidoscope
            angle = np.abs(np.mod(angle, 2 * sector) - sector)
            x, y = radius * np.cos(angle), radius * np.sin(angle)
        return np.stack([x, y]).astype(np.float32)

    @property
    def _is_plain(self) -> bool:
        t = self._table
        moving = t.zoom or t.spin or t.breathe or t.hue or t.trails or t.grain or t.vignette
        return not (moving or t.kaleidoscope or t.brightness != 1 or t.saturation != 1 or self._drive.acts)

    def __call__(self, picture: torch.Tensor, sound: Accents, dt: float) -> torch.Tensor:
        """One frame [h, w, 3] uint8 from a picture [s, s, 3] uint8.

        sound: since the last frame, dt seconds ago. A preset without effects gets the framed picture
        untouched.
        """
        self._drive.update(sound, dt)
        self._time += dt
        # Added up, because how fast they turn may be turned itself.
        self._turns += dt / 60 * self._table.spin
        self._hue += dt / 60 * self._table.hue
        self._frames += 1
        if self._is_plain:
            return frame(picture, self.aspect, self._table.fit)
        if self._canvas is None or self._device != picture.device:
            self._canvas, self._device = make_canvas(self._ground, picture.device), picture.device
        return self._canvas.compose(picture[MARGIN:-MARGIN, MARGIN:-MARGIN], self._moment(dt))

    def _moment(self, dt: float) -> Moment:
        t, amount = self._table, self._drive.amount
        zoom = amount("zoom", t.zoom, -0.5, 2.0)
        zoom += t.breathe * 0.5 * (1 - math.cos(2 * math.pi * self._time / 20))
        angle = 2 * math.pi * self._turns
        scale = 1 / (1 + max(zoom, -0.5))
        turn = self._hue + amount("hue", 0.0, -1.0, 1.0)
        trails = amount("trails", t.trails, 0.0, 0.97)
        colours = hue_matrix(2 * math.pi * turn, amount("saturation", t.saturation, 0.0, 2.0))
        return Moment(
            cos=math.cos(angle) * scale,
            sin=math.sin(angle) * scale,
            keep=trails ** (30 * dt) if trails else 0.0,  # the setting is per thirtieth of a second
            drift=1 - 0.2 * dt,
            colours=np.float32(amount("brightness", t.brightness, 0.0, 2.0)) * colours,
            vignette=amount("vignette", t.vignette, 0.0, 1.0),
            grain=255 * 0.3 * amount("grain", t.grain, 0.0, 0.5),
            shift=(self._frames * 37 % GRAIN_SHIFT, self._frames * 23 % GRAIN_SHIFT),
        )


def make_canvas(ground: Ground, device: torch.device) -> Canvas:
    """For pictures on a device."""
    return ProcessorCanvas(ground) if device.type == "cpu" else CardCanvas(ground, device)


def hue_matrix(angle: float, saturation: float) -> np.ndarray:
    """[3, 3] float32 turning colours around the grey axis by an angle in radians, greys unmoved.

    Rotation in the plane of constant Rec. 709 luma, so that hue drift does not flicker.
    """
    luma = np.array([0.2126, 0.7152, 0.0722])
    grey = np.tile(luma, (3, 1))
    third, root = 1 / 3, math.sqrt(1 / 3)
    c, s = math.cos(angle), math.sin(angle)
    turn = np.full((3, 3), (1 - c) * third) + c * np.eye(3)
    turn += s * root * np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    turned = turn + (luma - luma @ turn)  # put the luma back that the turn took
    return (grey + saturation * (turned - grey)).astype(np.float32)
