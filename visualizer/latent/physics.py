"""Physics: the thread that moves the particle, and the pose that it hands to the render thread.

Times and the path. Events carry the time at which their sound entered the microphone or left the
loudspeaker, on the clock of `time.perf_counter`, and the path is a function of those times alone:
it makes no difference when a thread gets round to them. What is drawn at a time t is the path at
t - delay, where the delay is how late events usually arrive; so an event in time takes effect just
where it belongs, and nothing has to jump. The delay follows the device, and is 0 for a player,
whose events come ahead of their sound.

An event later than usual still takes effect at its own time. What has been drawn in the meantime
was then a little off the path, and the picture glides back to it within a tenth of a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import numpy as np

from visualizer.audio.accents import Accents
from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.motion import Motion
from visualizer.latent.particle import Spring
from visualizer.latent.pose import LATE_S, Fade, Glide, Path, Pose
from visualizer.latent.ring import Ring

log = logging.getLogger("visualizer")

# The delay: this share of the latest latencies is within it. It changes too slowly to be seen, or,
# where another device is as much as that faster or slower, with a glide.
ON_TIME = 0.9
LATENCIES = 128
MAX_DELAY_S = 0.25
DELAY_S_PER_S = 0.02
OTHER_DELAY_S = 0.04
GLIDE_S = 0.1
# An onset is over in a tick; a display at 30 frames a second should still meet it.
ONSET_HOLD_S = 1 / 30

# Left alone, the particle wanders.
NO_EVENTS_S = 2.0
SILENCE_S = 4.0
WANDERING = Spring(response=5.0, bounce=0.0)
WANDER_S = 4.0, 7.0


class Physics:
    """A thread that takes events from the ring, moves the particle and publishes poses.

    The newest `pose` is one reference, replaced as a whole: the render thread reads it at any time
    without a lock, and never sees half a state. The other methods may be called from any thread.
    """

    # How far ahead of the clock a picture may sensibly be asked for, or an event lie.
    HORIZON_S = 0.1
    FUTURE_S = 2.0

    def __init__(self, ring: Ring, motion: Motion, rate: float = 240.0):
        """motion: belongs to this object from now on; rate: how often the ring is read, in Hz."""
        self._ring = ring
        self._period = 1 / rate
        self.errors = 0
        """Ticks that failed and were passed over; anything but 0 is a defect."""
        self.witness: Callable[[Event], None] = lambda event: None
        """Called, on this thread, with each event as it takes effect."""
        self._orders: deque[tuple[Motion, float | None]] = deque()
        self._frozen = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)

        now = time.perf_counter()
        motion.begin(now)
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._followed = self._ticked = now
        self._heard_event = self._heard_sound = now
        self._next_wander = -np.inf
        self._wander_cluster = 0
        self._rng = np.random.default_rng(0)
        self._effective: deque[Event] = deque(maxlen=16)
        self._pose = Pose(SILENCE, Accents(), -np.inf, 0.0, False, 0.0, Path(motion))

    @property
    def pose(self) -> Pose:
        """The newest state."""
        return self._pose

    def use(self, motion: Motion, fade: float = 1.0) -> None:
        """Go over to another preset's motion within `fade` seconds, without a jump.

        motion: belongs to this object from now on. It begins on its own target of the present sound.
        """
        self._orders.append((motion, fade))

    def tune(self, motion: Motion) -> None:
        """Go on at once by another motion's settings, from where the present one is.

        motion: to the same targets; it belongs to this object from now on.
        """
        self._orders.append((motion, None))

    def freeze(self, frozen: bool) -> None:
        """Hold the present target, or let the music choose again."""
        self._frozen = frozen

    @property
    def frozen(self) -> bool:
        """Whether the target is held."""
        return self._frozen

    def __enter__(self) -> Physics:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        """Absolute deadlines do not drift; those slept through are skipped, not made up for."""
        deadline = time.perf_counter()
        while not self._closing:
            now = time.perf_counter()
            try:
                self._tick(now)
            except Exception:  # an event that no preset foresaw; the picture must go on
                if not self.errors:
                    log.exception("in the physics; further errors are only counted")
                self.errors += 1
            deadline += self._period
            if deadline < now:
                deadline += self._period * ((now - deadline) // self._period + 1)
            time.sleep(max(0.0, deadline - time.perf_counter()))

    def _tick(self, now: float) -> None:
        """All that happens at one moment."""
        pose = before = self._pose
        events = self._take_events(now)
        pose = self._follow_delay(pose, now)
        shown = self._horizon(now) - pose.delay

        while self._orders:
            motion, seconds = self._orders.popleft()
            if seconds is None:
                pose = self._resume(pose, motion, shown)
            else:
                pose = self._change_over(pose, motion, seconds, shown)
        if pose._fade and shown >= pose._fade.begin + pose._fade.seconds:
            pose = replace(pose, _fade=None)
        if pose._glide and shown >= pose._glide.begin + pose._glide.seconds:
            pose = replace(pose, _glide=None)
        if pose._path.motion.frozen != self._frozen:
            pose = self._with_paths(pose, lambda path: self._freeze(path, shown))
        if events:
            pose = self._apply(pose, events, shown)
        due = now - pose.delay
        if any(e.time <= due for e in pose._path.ahead) or pose._path.motion.time < due - 2 * LATE_S:
            pose = self._settle(pose, now, due)
        pose = self._wander(pose, now, shown)
        if pose is not before:
            self._pose = pose
        self._ticked = now

    def _horizon(self, now: float) -> float:
        """Up to here pictures have been shown, or soon will be."""
        return min(max(now, self._pose._gauge.asked), now + self.HORIZON_S)

    def _take_events(self, now: float) -> list[Event]:
        events = []
        # What is pushed while this runs waits for the next tick, lest a mad producer keep it here.
        for _ in range(self._ring.size):
            event = self._ring.pop()
            if event is None:
                break
            if event.time > now + self.FUTURE_S:
                event = event.at(now)
            events.append(event)
            self._heard_event = now
            if event.cluster != SILENCE:
                self._heard_sound = now
            # After a tick slept through, the latency would be this thread's, not the device's.
            if now - self._ticked < 4 * self._period:
                self._latencies.append(now - event.time)
        return events

    def _follow_delay(self, pose: Pose, now: float) -> Pose:
        """Let the delay follow the usual latency."""
        if now - self._followed < 0.1 or len(self._latencies) < 8:
            return pose
        step = DELAY_S_PER_S * (now - self._followed)
        self._followed = now
        usual = float(np.quantile(self._latencies, ON_TIME)) + self._period
        usual = min(max(usual, 0.0), MAX_DELAY_S)
        if abs(usual - pose.delay) > OTHER_DELAY_S:
            return self._glide(pose, replace(pose, delay=usual), self._horizon(now), 3 * GLIDE_S)
        delay = min(max(usual, pose.delay - step), pose.delay + step)
        return pose if delay == pose.delay else replace(pose, delay=delay)

    def _with_paths(self, pose: Pose, change: Callable[[Path], Path]) -> Pose:
        fade = pose._fade and replace(pose._fade, leaving=change(pose._fade.leaving))
        return replace(pose, _path=change(pose._path), _fade=fade)

    def _freeze(self, path: Path, shown: float) -> Path:
        path = path.settle(shown)
        path.motion.frozen = self._frozen
        return path

    def _change_over(self, pose: Pose, motion: Motion, seconds: float, shown: float) -> Pose:
        motion.begin(shown, pose._path.motion.cluster)
        motion.frozen = self._frozen
        fade = Fade(pose._path, shown, max(seconds, GLIDE_S))
        changed = replace(pose, _path=Path(motion, pose._path.ahead), _fade=fade)
        return self._glide(pose, changed, shown + pose.delay, fade.seconds)

    def _resume(self, pose: Pose, motion: Motion, shown: float) -> Pose:
        path = pose._path.settle(shown)
        path.motion.advance(shown)
        motion.resume(path.motion)
        return replace(pose, _path=replace(path, motion=motion))

    def _apply(self, pose: Pose, events: list[Event], shown: float) -> Pose:
        changed = self._with_paths(pose, lambda path: path.hear(events))
        if events[0].time > shown:
            return changed
        return self._glide(pose, changed, shown + pose.delay, GLIDE_S)

    def _glide(self, pose: Pose, changed: Pose, horizon: float, seconds: float) -> Pose:
        """The changed pose, but begun where the former one would have been shown."""
        before, after = horizon - pose.delay, horizon - changed.delay
        old_path, new_path = (
            replace(pose, _glide=None)._code(before),
            replace(changed, _glide=None)._code(after),
        )
        if all(
            old.shape == new.shape and np.linalg.norm(new - old) < 1e-3 * np.linalg.norm(new)
            for old, new in zip(old_path, new_path, strict=True)
        ):
            return changed
        if pose._glide:
            seconds = max(seconds, pose._glide.begin + pose._glide.seconds - before)
        return replace(changed, _glide=Glide.between(pose._code(before), new_path, after, seconds))

    def _settle(self, pose: Pose, now: float, due: float) -> Pose:
        """Let the events take effect whose time has come."""
        for event in pose._path.ahead:
            if event.time <= due:
                self._effective.append(event)
                self.witness(event)
                pose = replace(pose, cluster=event.cluster, time=event.time, latency=now - event.time)
        sense = pose._path.motion.sense
        recent = [Accents.of(sense(e)) for e in self._effective if e.time > due - ONSET_HOLD_S]
        pose = replace(pose, sound=reduce(Accents.then, recent, pose.sound.at_rest()))
        return self._with_paths(pose, lambda path: path.settle(due))

    def _wander(self, pose: Pose, now: float, shown: float) -> Pose:
        """With nothing to hear, choose a new and far gentler target now and then."""
        unheard = now - self._heard_event > NO_EVENTS_S
        if not unheard and now - self._heard_sound < SILENCE_S:
            self._next_wander = -np.inf
            self._wander_cluster = max(pose._path.motion.cluster, 0)
            return replace(pose, wandering=False) if pose.wandering else pose
        if unheard and pose.sound != Accents():
            pose = replace(pose, cluster=SILENCE, sound=Accents())
        if now < self._next_wander or self._frozen:
            return pose
        self._next_wander = now + self._rng.uniform(*WANDER_S)
        path = pose._path.settle(shown)
        # Any target but the last one.
        n = len(path.motion.targets)
        self._wander_cluster = (self._wander_cluster + int(self._rng.integers(1, max(n, 2)))) % n
        path.motion.wander(shown, self._wander_cluster, WANDERING)
        return replace(pose, _path=path, wandering=True)
