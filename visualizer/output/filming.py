"""Filming: recordings and streams of a show, each by an encoder in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
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
        self._process: subprocess.Popen[bytes] | None = None
        self._said: dict[str, Any] = {}
        self._ready = threading.Event()

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
        self._said = {}
        self._ready.clear()
        # -P: what lies in the folder where a person works is no part of this. A session of its own: Ctrl-C at
        # the terminal is for the show, which then ends the film.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "visualizer.output.encoder", json.dumps(wishes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self._reader = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._reader.start()
        self._ready.wait(BEGIN_S)
        if "ready" not in self._said:
            raise self._why()
        self.rate = float(Fraction(self._said["ready"]))

    def show(self, pixels: np.ndarray, when: float) -> None:
        dt = 0.0 if self._shown is None else max(0.0, when - self._shown)
        self._shown = when
        pixels = self._limiter(torch.from_numpy(pixels), dt).numpy()
        height, width, _ = pixels.shape
        self._send(pack(FRAME, height, width, when), np.ascontiguousarray(pixels))

    def hear(self, samples: np.ndarray, begin: float, sr: float) -> None:
        self._send(pack(SOUND, len(samples), 0, begin, sr), np.ascontiguousarray(samples, np.float32))

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        try:
            with suppress(OSError):
                process.stdin.write(pack(END))
                process.stdin.close()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                raise self.failed("it can't be finished") from None
            self._reader.join(END_S)
            if "done" not in self._said and "failed" not in self._said:
                raise self.failed("its encoder ended early")
            if "failed" in self._said:
                raise self._why()
        finally:
            process.kill()
            process.wait()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._said |= json.loads(line)
            self._ready.set()
        self._ready.set()

    def _send(self, header: bytes, data: np.ndarray) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(header)
            left = data.data.cast("B")
            while left:
                left = left[self._process.stdin.write(left) or 0 :]
        except OSError:
            raise self._why() from None

    def _why(self) -> UserError:
        """Why the encoder is gone, or never came."""
        self._reader.join(1.0)
        if self._said.get("hopeless"):
            self.returns = False
        return self.failed(self._said.get("failed", "its encoder ended early"))


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
