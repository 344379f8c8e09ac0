"""The guide: what somebody is told who has just started it.

Which device it listens to, whether anything is heard there, and the one key that explains the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visualizer.live.hearing import Hearing

AUDIBLE_DB = -60.0
# So long it listens before it says that nothing is heard.
PATIENCE_S = 4.0
KEYS = "press H for the keys"


class Guide:
    """Has something to say in the first seconds; asked at every frame."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._over = self._complained = False

    def word(self, hearing: Hearing, now: float) -> tuple[str, bool] | None:
        """(a sentence for people, whether it is a warning), or mostly None. now: seconds."""
        sound = hearing.sound
        if self._over or sound is None:
            return None
        if not sound.ok:
            self._since = None
            return None
        self._since = now if self._since is None else self._since
        if not hearing.listens:
            self._over = True
            return f"{sound.status}; {KEYS}", False
        if sound.level > AUDIBLE_DB:
            self._over = True
            return f"hearing {sound.device_name}; {KEYS}", False
        if not self._complained and now - self._since > PATIENCE_S:
            self._complained = True
            return (
                f"nothing is heard on {sound.device_name}: turn it up, start with another --device, "
                f"or press D for the demo tune; {KEYS}",
                True,
            )
        return None
