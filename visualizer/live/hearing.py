"""Hearing: the microphone, a song or the demo tune, one at a time, and changing over between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from visualizer.audio.codebook import Codebook
from visualizer.audio.microphone import Microphone
from visualizer.audio.portaudio import find_device
from visualizer.common.errors import UserError
from visualizer.live.backstage import Backstage

if TYPE_CHECKING:
    from visualizer.audio.ears import Ears, Sink, Tap
    from visualizer.audio.song import Recording, Song

    Source = Literal["microphone", "demo"] | Song | Recording

# Trouble that is over sooner is not worth a word.
PATIENCE_S = 1.0


class Hearing:
    """What is heard now. Devices are opened and closed backstage; nothing here makes the caller wait.

    sound: the microphone or player, or None while it changes. by: the codebook that names what is heard.
    device, channels: as they were asked for. demo: whether it is the demo tune, because somebody wants that.
    """

    def __init__(
        self,
        source: Source,
        device: str | int | None,
        ring: Sink,
        backstage: Backstage,
        tap: Tap,
        channels: tuple[int, ...] = (),
    ):
        """source: what to hear; device: its sound device; tap: gets the sound itself; channels: of a
        microphone, none are all.

        Raises UserError if the device isn't there.
        """
        if device is not None:
            find_device("input" if source == "microphone" else "output", device)
        self.sound: Ears | None = None
        self.by: Codebook | None = None
        self._wanted: Codebook | None = None
        # How often a sound was to be opened, and which of these times it was done last.
        self._asked = self._opened = 0
        self._source, self.device, self._ring, self._backstage = source, device, ring, backstage
        self.channels, self._tap = channels, tap
        self.demo = False
        self._status, self._since, self._told = "", time.perf_counter(), False
        self._name = ""

    def begin(self, codebook: Codebook) -> None:
        """Hear, by a codebook, from now on."""
        self.by = self._wanted = codebook
        self._asked += 1
        number, source = self._asked, "demo" if self.demo else self._source
        self._backstage.do(lambda: self._open(source, codebook, number))

    def use(self, codebook: Codebook) -> None:
        """Go on by another codebook, if it is another one.

        A song would have to begin again, and goes on by the codebook that it began with.
        """
        self._wanted = codebook
        if codebook is not self.by and self.listens:
            self.begin(codebook)

    def listen_to(self, device: str | None, channels: tuple[int, ...]) -> None:
        """Listen to another device, None for the system's, or to other channels of it, none for all."""
        self.device, self.channels = device, channels
        if self._wanted is not None and self.listens:
            self.begin(self._wanted)

    def toggle_demo(self) -> bool:
        """Change over to the demo tune, or back. Returns whether it is the demo tune now."""
        self.demo = not self.demo
        if self._wanted is not None:
            self.begin(self._wanted)
        return self.demo

    def follow(self) -> bool:
        """To be called for every frame; returns whether a song has come to its end.

        Raises UserError if it came to that because it can't be played.
        """
        sound = self.sound
        if sound is None or self._opened != self._asked or not sound.finished:
            return False
        if self.demo and self._source != "demo":
            self.toggle_demo()
            return False
        if sound.failure:
            raise UserError(f"{sound.failure}.")
        return True

    def news(self) -> tuple[str, bool] | None:
        """(a sentence for people, whether it is a warning), mostly None.

        When sound failed or came back, and when another device took over.
        """
        sound, now = self.sound, time.perf_counter()
        if sound is None:
            return None
        if sound.status != self._status:
            self._status, self._since = sound.status, now
        if sound.ok:
            other = self._name not in ("", sound.device_name)
            self._name = sound.device_name
            if other or self._told:
                self._told = False
                return sound.status, False
        if not sound.ok and not self._told and now - self._since > PATIENCE_S:
            self._told = True
            way_out = ". D plays the demo tune" if self.listens else ""
            return sound.status + way_out, True
        return None

    @property
    def heading(self) -> str:
        """The title and artist of the song that plays, a line each; "" of a microphone."""
        song = getattr(self.sound, "song", None)
        return song.heading if song is not None else ""

    @property
    def listens(self) -> bool:
        """Whether a microphone is heard, and not a song."""
        return self._source == "microphone" and not self.demo

    def close(self) -> None:
        """Hear nothing any more."""
        sound, self.sound = self.sound, None
        if sound is not None:
            sound.__exit__(None, None, None)

    def _open(self, source: Source, codebook: Codebook, number: int) -> None:
        if number != self._asked:  # something else was wanted before it came to this
            return
        self.close()
        self._name = ""
        device = self.device if source is self._source else None
        if source == "microphone":
            sound: Ears = Microphone(codebook, self._ring, device, self.channels, self._tap)
        else:
            # Only songs need what reads and plays them, and these take a while to load.
            from visualizer.audio.demo_process import begin_demo_tune
            from visualizer.audio.player import Player
            from visualizer.audio.song import Recording

            song = Recording("the demo tune", begin_demo_tune().result()) if source == "demo" else source
            sound = Player(song, codebook, self._ring, device, self._tap)
        if not self._backstage.stopped:
            sound.__enter__()
            self.sound = sound
        self._opened = number
