"""The stage: what happens to a picture between the generator and the window.

Effects of the preset, cross-fades from one preset's to the next's, titles, the blackout, and last the flash
limiter. What comes after it can't make a picture flash: a window's sharpening only moves contrast between
neighbouring pixels, and the words over it fade or stand still.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from visualizer.audio.accents import Accents
from visualizer.common.easing import ease
from visualizer.picture.effects.effects import Effects
from visualizer.picture.fade import Fade
from visualizer.picture.flash.limiter import FlashLimiter
from visualizer.picture.framing import frame_shape
from visualizer.picture.titles.layer import Titles

if TYPE_CHECKING:
    from visualizer.control.preset import Preset

BLACKOUT_S = 0.8
# A dimmer that is turned by steps dims by none.
DIM_S = 0.1
PICTURE_SIZE = 256


class Stage:
    """Pictures in, finished frames out, all of one shape; for the render thread alone.

    blackout: a fade to black. brightness: 0..1, of everything; it is gone over to softly. titles: words and a
    logo. limiter: the flash limiter.
    """

    def __init__(self, aspect: float, limiter: FlashLimiter | None = None, picture_size: int = PICTURE_SIZE):
        """aspect: width / height of the window. picture_size: in pixels; it follows the pictures if they have
        another."""
        self._picture_size = picture_size
        self.limiter = limiter or FlashLimiter()
        self.titles = Titles()
        self.blackout = Fade(BLACKOUT_S)
        self.brightness = self._bright = 1.0
        self.aspect = aspect
        self._preset: Preset | None = None
        self._effects: Effects | None = None
        self._leaving: Effects | torch.Tensor | None = None
        self._fade_s = 1.0
        self._progress = 1.0
        self._composed: torch.Tensor | None = None

    def effects(self, preset: Preset) -> Effects:
        """A preset's effects in the shape of the stage, for `play`. May be called on another thread.

        Raises UserError if its logo can't be read.
        """
        self.titles.prepare(preset.caption, preset.logo, self.shape)
        return Effects(preset.display, preset.drive, self.aspect, self._picture_size)

    def play(self, preset: Preset, effects: Effects, fade: float) -> None:
        """Go over to a preset's effects within `fade` seconds."""
        if effects.aspect != self.aspect:  # the window changed its shape since they were made
            effects = self.effects(preset)
        if self._effects is not None:
            # In the middle of a fade, its last frame stands still: never more than two effects run.
            self._leaving = self._effects if self._progress >= 1 else self._composed
        self._preset, self._effects = preset, effects
        self.titles.dress(preset.caption, preset.logo)
        self._fade_s, self._progress = max(fade, 1e-3), 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of its frames."""
        return frame_shape(self._picture_size, self.aspect, "mirror")

    def reshape(self, aspect: float) -> None:
        """The window has another shape now."""
        self.aspect = aspect
        self._leaving = None
        if self._preset is not None:
            self._effects = self.effects(self._preset)

    @torch.inference_mode()
    def __call__(self, picture: torch.Tensor, sound: Accents, dt: float) -> torch.Tensor:
        """The frame [h, w, 3] uint8 to show for a picture [s, s, 3] uint8.

        sound: since the last frame, dt seconds ago.
        """
        assert self._effects is not None, "nothing is played"
        if picture.shape[0] != self._picture_size:
            self._picture_size = picture.shape[0]
            self.reshape(self.aspect)
        frame = self._fit(self._effects(picture, sound, dt))
        self._progress += dt / self._fade_s
        if self._progress >= 1:
            self._leaving = None
        elif self._leaving is not None:
            old = self._leaving
            if not isinstance(old, torch.Tensor):
                old = self._fit(old(picture, sound, dt))
            frame = torch.lerp(old.float(), frame.float(), ease(self._progress)).add_(0.5).to(torch.uint8)
        self._composed = frame
        frame = self.titles(frame, dt)
        light = self._dim(dt) * (1 - self.blackout.step(dt))
        if light < 1:
            frame = frame.float().mul_(light).add_(0.5).to(torch.uint8)
        return self.limiter(frame, dt)

    def adjust(self, preset: Preset) -> bool:
        """Go on by a changed display table at once; False if that takes new effects, and `play`."""
        if self._effects is None or not self._effects.adjust(preset.display):
            return False
        self._preset = preset
        return True

    def _dim(self, dt: float) -> float:
        """The brightness of this frame."""
        self._bright += (self.brightness - self._bright) * (1 - math.exp(-dt / DIM_S))
        if abs(self.brightness - self._bright) < 1 / 512:
            self._bright = self.brightness
        return self._bright

    def _fit(self, frame: torch.Tensor) -> torch.Tensor:
        """To the stage's shape, whatever the preset's framing gives."""
        shape = self.shape
        if tuple(frame.shape[:2]) == shape:
            return frame
        planes = frame.permute(2, 0, 1)[None]
        if frame.device.type != "cpu":  # which alone interpolates bytes
            planes = F.interpolate(planes.float(), shape, mode="bilinear", align_corners=False).add(0.5)
            return planes[0].permute(1, 2, 0).to(torch.uint8)
        return F.interpolate(planes, shape, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
