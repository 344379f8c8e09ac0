"""NDI: pictures and sound over the network, to OBS, Resolume, vMix and many more; by the package cyndilib,
which brings NDI's own library. Whoever asks for it announces itself by multicast on this network."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from visualizer.common.errors import UserError
from visualizer.output.senders.sender import NAME, RATE
from visualizer.output.senders.sender import Sender as Base

# So many samples go at once.
BLOCK = 1024


class Sender(Base):
    """Sends to whoever has chosen it from the network's sources."""

    name, hears = "NDI", True
    kind, module, package = "ndi", "cyndilib.sender", "cyndilib"
    _sender: Any = None

    def __init__(self, size: tuple[int, int]):
        super().__init__(size)
        self._frames = self.library("cyndilib.video_frame")
        self._sounds = self.library("cyndilib.audio_frame")
        self._codes = self.library("cyndilib.wrapper.ndi_structs")
        self._sr: float | None = None
        self._rest = np.empty((0, 2), np.float32)

    def open(self) -> None:
        self._begin(44100)

    def _begin(self, sr: float) -> None:
        picture = self._frames.VideoSendFrame()
        picture.set_resolution(*self.size)
        picture.set_frame_rate(Fraction(RATE))
        picture.set_fourcc(self._codes.FourCC.RGBX)
        sound = self._sounds.AudioSendFrame()
        sound.sample_rate, sound.num_channels, self._sr = round(sr), 2, sr
        sound.set_max_num_samples(BLOCK)
        # Frames come at their time; it needn't wait for that.
        self._sender = self._library.Sender(NAME, clock_video=False, clock_audio=False)
        self._sender.set_video_frame(picture)
        self._sender.set_audio_frame(sound)
        try:
            self._sender.open()
        except Exception as error:
            raise UserError(f"NDI can't be begun ({error}); is its library blocked here?") from None

    def send(self, pixels: np.ndarray, when: float) -> None:
        self._sender.write_video(pixels.reshape(-1))

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        if sr != self._sr:  # another device is heard
            self.close()
            self._begin(sr)
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= BLOCK:
            block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
            self._sender.write_audio(np.ascontiguousarray(block.T, np.float32))

    def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
