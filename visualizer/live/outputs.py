"""Outputs: recordings and streams of the show, begun and ended while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from visualizer.common.errors import UserError
from visualizer.output import senders
from visualizer.output.outlet import Outlet, Outlets

if TYPE_CHECKING:
    from visualizer.live.ways import StageWishes

# Where somebody records who gave no name.
UNNAMED = Path("visualizer.mp4")


class Outputs:
    """The controls "record" and "stream"; for the render thread."""

    def __init__(
        self, outlets: Outlets, wishes: StageWishes, size: Callable[[], tuple[int, int]], limited: bool
    ):
        """size: of the window, in pixels; limited: whether flashes are."""
        self._outlets, self._wishes, self._size = outlets, wishes, size
        self._limited = limited
        self._on: dict[str, Outlet] = {}

    def begin(self) -> None:
        """Do what was asked for at the start. Raises UserError for another program that can't be sent to."""
        for kind in self._wishes.send:
            self._on[kind] = self._outlets.add(senders.of(kind)(self._size()))
        if self._wishes.record is not None:
            self.record(True)
        if self._wishes.stream is not None:
            self.stream(True)

    @property
    def recording(self) -> bool:
        """Whether the show is recorded."""
        return "record" in self._on

    @property
    def streaming(self) -> bool:
        """Whether the show is streamed, or will be as soon as somebody answers."""
        return "stream" in self._on

    def record(self, on: bool) -> str:
        """Begin a recording, or end it; what to tell about that."""
        from visualizer.output.filming import Recording
        from visualizer.output.targets import free_path

        if on and not self.recording:
            path = self._wishes.record
            path = free_path(UNNAMED, numbered=True) if path is None else free_path(path)
            self._on["record"] = self._outlets.add(Recording(path, *self._shape()))
            return f"recording {path.name}"
        if not on and self.recording:
            outlet = self._on.pop("record")
            self._outlets.end(outlet)
            assert isinstance(outlet.receiver, Recording)
            return f"recorded {outlet.receiver.path.name}, {_clock(outlet)}"
        return ""

    def stream(self, on: bool) -> str:
        """Begin to stream to where the show was told to, or end it; what to tell about that."""
        from visualizer.output.filming import Stream

        target = self._wishes.stream
        if target is None:
            return "there is nowhere to stream to; start it with --stream ADDRESS"
        if on and not self.streaming:
            self._on["stream"] = self._outlets.add(Stream(target, *self._shape()))
            return f"streaming to {target.shown}"
        if not on and self.streaming:
            self._outlets.end(self._on.pop("stream"))
            return "the stream has ended"
        return ""

    def follow(self) -> str:
        """Let go of what is over by itself; the mark that is to be seen, "" for none.

        Raises UserError if that was all that came of a show without a window, and nobody can begin anew.
        """
        marks = []
        for what, outlet in list(self._on.items()):
            if outlet.state == "over":
                self._outlets.end(self._on.pop(what))
            elif what == "record":
                marks.append(_clock(outlet))
            elif what == "stream":
                marks.append("LIVE" if outlet.state == "on" else "stream waits")
        if self._wishes.headless and not self._outlets and not self._wishes.obeys:
            raise UserError("nothing comes of the show any more, and it has no window: it has ended.")
        return "  ".join(marks)

    def _shape(self) -> tuple[Callable[[], tuple[int, int]], Fraction | None, bool]:
        return self._size, self._wishes.fps, self._limited


def _clock(outlet: Outlet) -> str:
    """For how long it has been on."""
    since = outlet.since
    seconds = int(time.perf_counter() - since) if since == since else 0
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
