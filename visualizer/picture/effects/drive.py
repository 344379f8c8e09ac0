"""The sound's influence on the effects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visualizer.control.preset import DriveTable

# Loudness from here to full scale drives effects from 0 to 1.
QUIET_DB = -50.0
# Drives jump up with the sound and fall with this time constant, so that nothing twitches.
FALL_S = 0.18


class Drive:
    """Amounts that loudness and onset add to the effects."""

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
