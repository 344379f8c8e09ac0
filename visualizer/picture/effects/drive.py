"""The sound's influence on the effects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from visualizer.audio.accents import Accents

if TYPE_CHECKING:
    from visualizer.control.preset import DriveTable

# Loudness from here to full scale drives effects from 0 to 1.
QUIET_DB = -50.0
# Drives jump up with the sound and fall with this time constant, so that nothing twitches.
FALL_S = 0.18


class Drive:
    """Amounts that the sound adds to the effects."""

    def __init__(self, table: DriveTable):
        self._table = table
        self._driven = [name for name in type(table).model_fields if getattr(table, name)]
        self._levels = dict.fromkeys(self._driven, 0.0)
        self._beat = -1

    @property
    def acts(self) -> bool:
        """Whether the sound does anything at all."""
        return bool(self._driven)

    def update(self, sound: Accents, dt: float) -> None:
        """Follow the sound since the last frame, dt seconds ago."""
        fall = math.exp(-dt / FALL_S)
        now = sound._asdict()
        now["loudness"] = min(1.0, max(0.0, 1 - sound.loudness / QUIET_DB))
        now["beat"] = float(-1 < self._beat < sound.beat)
        self._beat = sound.beat
        self._levels = {name: max(now[name], fall * level) for name, level in self._levels.items()}

    def amount(self, effect: str, base: float, least: float, most: float) -> float:
        """A base value with what the sound adds, within its range."""
        for name, level in self._levels.items():
            base += level * getattr(self._table, name).get(effect, 0.0)
        return min(most, max(least, base))
