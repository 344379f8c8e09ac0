"""The encoder: a process of its own that makes a film of what is shown, and writes it or sends it.

Of its own, because libraries that open a connection hold Python's lock meanwhile, a graphics card's encoder
may take its process down with it, and because what has reached it is safe when the show is killed: it sees
the end of its input and finishes the file.

In: `pack`ed frames and sound on the standard input. Out: lines of JSON, {"ready": frames a second} when all
is open, {"failed": a reason, "hopeless": whether it makes no sense to try again}, and at the end {"done":
frames, "spent": seconds of the processor's}.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from fractions import Fraction
from typing import Any, BinaryIO, Final, Literal

import av
import numpy as np

from visualizer.common.cores import give_way
from visualizer.common.files import FULL, reason
from visualizer.output.codecs import live_codec
from visualizer.output.film import Film
from visualizer.output.lockstep import Lockstep
from visualizer.output.targets import Target
from visualizer.picture.sharpening import Sharpening

# Kind, two counts, and two numbers: a frame's height, width and time, or a sound's length, time and rate.
HEADER = struct.Struct("<cIIdd")
FRAME: Final = b"f"
SOUND: Final = b"s"
END: Final = b"e"
# A connection that takes nothing for so long is dead.
STUCK_S = 10.0


def pack(kind: Literal[b"f", b"s", b"e"], a: int = 0, b: int = 0, x: float = 0.0, y: float = 0.0) -> bytes:
    """A header."""
    return HEADER.pack(kind, a, b, x, y)


def _items(stream: BinaryIO) -> Iterator[tuple[bytes, np.ndarray, float, float]]:
    """(kind, array, when, rate) of all that comes in, until the end of it."""
    while len(header := stream.read(HEADER.size)) == HEADER.size:
        kind, a, b, x, y = HEADER.unpack(header)
        if kind == END:
            return
        shape, dtype = ((a, b, 3), np.uint8) if kind == FRAME else ((a, 2), np.float32)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data = stream.read(size)
        if len(data) < size:
            return
        yield kind, np.frombuffer(data, dtype).reshape(shape), x, y


class Deadline:
    """Ends this process if what is done in the context takes too long, even in a library that holds Python's
    lock."""

    def __init__(self) -> None:
        self._nowhere = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process)

    def __enter__(self) -> None:
        faulthandler.dump_traceback_later(STUCK_S, exit=True, file=self._nowhere)

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()


class NoSender(Exception):
    """Nothing here speaks the protocol."""


class Relay:
    """FFmpeg's program, for protocols that PyAV was built without: takes the film and sends it as it is."""

    def __init__(self, target: Target):
        """Raises NoSender where it isn't installed."""
        program = shutil.which("ffmpeg")
        if program is None:
            raise NoSender
        command = [program, "-loglevel", "error", "-f", target.format, "-i", "pipe:0", "-c", "copy"]
        self._process = subprocess.Popen(
            [*command, "-flush_packets", "1", "-f", target.format, target.address],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        self.file = self._process.stdin

    def close(self) -> None:
        """Let it send what it has."""
        with suppress(OSError):
            self.file.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STUCK_S / 2)
        self._process.kill()


def _film(target: Target, wishes: dict[str, Any]) -> tuple[Film, Relay | None]:
    size = wishes["size"][0], wishes["size"][1]
    fps = Fraction(wishes["fps"]) if wishes["fps"] else None
    codec, fps = live_codec(size, fps, target.streams)

    def begin(file: Any) -> Film:
        options = {**target.options, "flush_packets": "1"}
        container = av.open(file, "w", format=target.format, options=options)
        container.metadata["comment"] = wishes["comment"]
        film = Film(container, codec, size, fps, wishes["sr"])
        container.start_encoding()
        return film

    try:
        return begin(target.address), None
    except av.error.ProtocolNotFoundError:
        relay = Relay(target)
        return begin(relay.file), relay


def main() -> None:
    """Make a film of what comes in; sys.argv[1] says which."""
    wishes = json.loads(sys.argv[1])
    target = Target(**wishes["target"])
    deadline = Deadline() if target.streams else nullcontext()

    def say(**words: object) -> None:
        print(json.dumps(words), flush=True)

    give_way()
    try:
        with deadline:
            film, relay = _film(target, wishes)
        lockstep, sharpen = Lockstep(film), Sharpening()  # as windows do
        say(ready=str(film.fps))
        for kind, array, when, rate in _items(sys.stdin.buffer):
            with deadline:
                if kind == FRAME:
                    lockstep.show(sharpen(array).astype(np.uint8), when)
                else:
                    lockstep.hear(array, when, rate)
        with deadline:
            lockstep.finish()
        if not film.n_frames and not target.streams:
            os.unlink(target.address)
        if relay:
            relay.close()
        say(done=film.n_frames, spent=time.process_time())
    except NoSender:
        scheme = target.address.split(":")[0]
        words = f"PyAV can't send {scheme} here; install FFmpeg, on Debian apt install ffmpeg"
        say(failed=words, hopeless=True)
    except (OSError, av.FFmpegError) as error:
        full = getattr(error, "errno", None) in FULL
        say(failed="the disk is full" if full else reason(error), hopeless=not target.streams)


if __name__ == "__main__":
    main()
    # What a muxer that failed would still like to write makes no sense any more.
    sys.stdout.flush()
    os._exit(0)
