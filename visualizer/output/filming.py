"""Filming: recordings and streams of a show, each by an encoder in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.common.errors import UserError
from visualizer.output import targets
from visualizer.output.encoder import END, FRAME, SOUND, pack
from visualizer.output.helper import Helper
from visualizer.output.outlet import Receiver
from visualizer.output.targets import Target
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter

COMMENT = "recorded with visualizer"
# The largest film, in pixels, either way round.
MOST = (1920, 1080)
# How long an encoder may take to begin: it tries what graphics cards have.
BEGIN_S = 30.0
# How long it may take to end.
END_S = 8.0


class Filming(Receiver):
    """What a recording and a stream have in common."""

    hears = True

    def __init__(self, size: Callable[[], tuple[int, int]], fps: Fraction | None, limited: bool):
        """size: of the window, asked for when it begins; fps: None is what the encoder can do; limited:
        whether flashes are."""
        self._size, self._fps, self._limited = size, fps, limited
        self._limiter = FlashLimiter()
        self._shown: float | None = None
        self._encoder: Helper | None = None

    def target(self) -> Target:
        """Where it goes this time."""
        raise NotImplementedError

    def failed(self, reason: str) -> UserError:
        """What to tell people; reason: without a full stop."""
        raise NotImplementedError

    def open(self) -> None:
        target = self.target()
        wishes = {
            "target": asdict(target),
            "size": targets.even_size(*self._size(), MOST),
            "fps": str(self._fps) if self._fps else None,
            "sr": SAMPLE_RATE,
            "comment": COMMENT + ("" if self._limited else "; flashes are NOT limited"),
        }
        # What was just within the rule on a screen may be beyond it when it has been compressed.
        self._limiter, self._shown = FlashLimiter(self._limited, FILE_MARGIN), None
        self._encoder = Helper("visualizer.output.encoder", wishes)
        if "ready" not in self._encoder.answer(BEGIN_S):
            raise self._why()
        self.rate = float(Fraction(self._encoder.said["ready"]))

    def show(self, pixels: np.ndarray, when: float) -> None:
        dt = 0.0 if self._shown is None else max(0.0, when - self._shown)
        self._shown = when
        pixels = self._limiter(torch.from_numpy(pixels), dt).numpy()
        height, width, _ = pixels.shape
        self._send(pack(FRAME, height, width, when), pixels)

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        self._send(pack(SOUND, len(samples), 0, begin, sr), samples.astype(np.float32, copy=False))

    def close(self) -> None:
        encoder = self._encoder
        if encoder is None:
            return
        ended = encoder.close(END_S, pack(END))
        try:
            if not ended:
                raise self.failed("it can't be finished")
            if "failed" in encoder.said:
                raise self._why()
            if "done" not in encoder.said:
                raise self.failed("its encoder ended early")
        finally:
            self._encoder = None

    def _send(self, header: bytes, data: np.ndarray) -> None:
        assert self._encoder is not None
        try:
            self._encoder.send(header, data)
        except OSError:
            raise self._why() from None

    def _why(self) -> UserError:
        """Why the encoder is gone, or never came."""
        assert self._encoder is not None
        said = self._encoder.farewell(1.0)
        if said.get("hopeless"):
            self.returns = False
        return self.failed(said.get("failed", "its encoder ended early"))


class Recording(Filming):
    """A film in a file. path: of the newest; a file that is there is never written over."""

    name = "the recording"

    def __init__(self, path: Path, *shape: Any):
        """path: ends in .mp4, .mov or .mkv. shape: as of `Filming`."""
        super().__init__(*shape)
        self.path = path

    def target(self) -> Target:
        return targets.recording(self.path)

    def failed(self, reason: str) -> UserError:
        return UserError(f"the recording has stopped ({reason}); {self.path} holds what was recorded.")


class Stream(Filming):
    """A film that is sent as it is made."""

    returns = True

    def __init__(self, target: Target, *shape: Any):
        """shape: as of `Filming`."""
        super().__init__(*shape)
        self._target = target
        self.name = f"the stream to {target.shown}"

    def target(self) -> Target:
        return self._target

    def failed(self, reason: str) -> UserError:
        again = "; trying again" if self.returns else ""
        return UserError(f"{self.name} has broken off ({reason}){again}.")
