"""The pose: the state of everything that moves as of one moment, good for any later time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from visualizer.audio.accents import Accents
from visualizer.audio.listener import Event
from visualizer.common.easing import ease
from visualizer.latent.code import Code, blend
from visualizer.latent.motion import Motion
from visualizer.latent.shell import on_shell

# Later than so much after the usual time, an event takes effect as if it were only so late.
LATE_S = 0.1


@dataclass(frozen=True)
class Path:
    """A motion and the events known ahead of it. Never changed, only followed by another."""

    motion: Motion
    ahead: tuple[Event, ...] = ()

    def hear(self, events: list[Event]) -> Path:
        return replace(self, ahead=(*self.ahead, *events))

    def settle(self, time: float) -> Path:
        """The same path, begun at a later time; what lies before it is forgotten."""
        motion = self.motion.fork()
        for event in self.ahead:
            if event.time <= time:
                motion.hear(event)
        if motion.time < time - LATE_S:
            motion.advance(time - LATE_S)
        return Path(motion, tuple(e for e in self.ahead if e.time > time))

    def code(self, time: float) -> Code:
        motion = self.motion
        due = [event for event in self.ahead if event.time <= time]
        if due:
            motion = motion.fork()
            for event in due:
                motion.hear(event)
        return motion.code(time)


@dataclass(frozen=True)
class Fade:
    """One path going over into another. Times in path time."""

    leaving: Path
    begin: float
    seconds: float


@dataclass(frozen=True)
class Glide:
    """A distance from the path, that closes.

    offset: of each vector of the code; radius: by how much each is longer.
    """

    offset: Code
    radius: tuple[float, ...]
    begin: float
    seconds: float

    @classmethod
    def between(cls, old: Code, new: Code, begin: float, seconds: float) -> Glide:
        """From the old code to the new one's path. One of another space goes over at once."""
        radius = tuple(float(np.linalg.norm(a) - np.linalg.norm(b)) for a, b in zip(old, new, strict=True))
        offset = (a - b if a.shape == b.shape else a for a, b in zip(old, new, strict=True))
        return cls(Code(*offset), radius, begin, seconds)

    def apply(self, code: Code, time: float) -> Code:
        left = 1 - ease((time - self.begin) / self.seconds)
        return Code(*map(partial(_moved, left), code, self.offset, self.radius))


def _moved(share: float, vector: np.ndarray, offset: np.ndarray, longer: float) -> np.ndarray:
    """A vector moved by a share of an offset, and longer by that share; one of another space stays."""
    if vector.shape != offset.shape:
        return vector
    radius = float(np.linalg.norm(vector)) + share * longer
    return on_shell(vector + share * offset, radius)


@dataclass
class Gauge:
    """The latest time for which a picture was asked: what has been shown can't be taken back."""

    asked: float = -np.inf


@dataclass(frozen=True)
class Pose:
    """The state of everything that moves, as of one moment. Immutable, good for any later time.

    cluster: 0..99, or -1 in silence, of the newest event that has taken effect.
    sound: of the last thirtieth of a second until then.
    time: that event's own time, perf_counter seconds; -inf before the first.
    latency: seconds from then until it took effect.
    wandering: nothing is heard, and the particle drifts by itself.
    delay: seconds by which the path runs behind the sound.
    """

    cluster: int
    sound: Accents
    time: float
    latency: float
    wandering: bool
    delay: float
    _path: Path = field(repr=False)
    _fade: Fade | None = field(repr=False, default=None)
    _glide: Glide | None = field(repr=False, default=None)
    _gauge: Gauge = field(repr=False, default_factory=Gauge)

    def code(self, time: float) -> Code:
        """What to draw at a perf_counter time; ahead of now it is foreseen exactly, save for what is yet to
        be heard."""
        self._gauge.asked = max(self._gauge.asked, time)
        return self._code(time - self.delay)

    def heard(self, time: float) -> float:
        """The time of the newest event that has a part in `code(time)`; -inf before the first."""
        return max((e.time for e in self._path.ahead if e.time <= time - self.delay), default=self.time)

    def _code(self, time: float) -> Code:
        code = self._path.code(time)
        if self._fade:
            weight = ease((time - self._fade.begin) / self._fade.seconds)
            if weight < 1:
                code = blend(self._fade.leaving.code(time), code, weight)
        if self._glide and time < self._glide.begin + self._glide.seconds:
            code = self._glide.apply(code, time)
        return Code(*(vector.astype(np.float32, copy=False) for vector in code))
