"""The guide: what somebody is told who has just started it.

Which device it listens to, whether anything is heard there, and the keys that lead to all else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visualizer.live.hearing import Hearing

AUDIBLE_DB = -60.0
# So long it listens before it says that nothing is heard.
PATIENCE_S = 3.0
KEYS = "H lists the keys, Q is the page for phones"


class Guide:
    """Has something to say in the first seconds; asked at every frame."""

    def __init__(self, tune: bool = False) -> None:
        """tune: play the built-in tune where nothing is heard."""
        self._tune = tune
        self._since: float | None = None
        self._over = self._complained = False

    def word(self, hearing: Hearing, now: float) -> tuple[str, bool] | None:
        """(a sentence for people, whether it is a warning), or mostly None. now: seconds."""
        sound = hearing.sound
        if self._over or sound is None:
            return None
        self._since = now if self._since is None else self._since
        if not hearing.listens:
            self._over = True
            return f"{sound.status}; {KEYS}", False
        if sound.ok and sound.level > AUDIBLE_DB:
            self._over = True
            return f"hearing {sound.device_name}; {KEYS}", False
        if not sound.ok and not self._tune:
            self._since = None  # why, is told elsewhere
        elif now - self._since > PATIENCE_S and not self._complained:
            self._complained = True
            nothing = f"nothing is heard on {sound.device_name}" if sound.ok else sound.status
            if self._tune:
                self._over = True
                hearing.toggle_demo()
                return f"{nothing}, so here is the demo tune; D listens again; {KEYS}", False
            return (
                f"{nothing}: turn it up, or press A for the next input, D for the demo tune; {KEYS}",
                True,
            )
        return None
