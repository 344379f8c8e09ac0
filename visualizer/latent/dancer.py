"""A dancer: one particle with its choreography."""

from __future__ import annotations

import copy

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.choreography import Choreography
from visualizer.latent.cues import Cues
from visualizer.latent.memory import Memory
from visualizer.latent.particle import Law, Particle
from visualizer.latent.shell import between

# So far a particle is moved at once where nothing happens to it.
STRIDE_S = 0.1
# The sound carries it on in steps of no less than this part of the way; time alone does as slowly as this,
# lest it stood still for ever where nothing rises.
LEAST_STEP = 0.01
CALM_S = 12.0
# The power of a strike's strength that it pushes with: strong ones stand out.
CONTRAST = 2.0


class Dancer:
    """Sends a particle to where the sound wants it, and pushes it when the music strikes.

    cluster: of the target; `SILENCE` before the first sound. time: of the particle's state, in seconds.
    """

    def __init__(self, targets: np.ndarray, choreography: Choreography, cluster: int, time: float):
        """targets: [n_clusters, d]. cluster: begins at rest on this one's target, in silence the first."""
        self._targets, self._dance = targets, choreography
        self.cluster, self.time = cluster, time
        self._scene = max(cluster, 0)
        self._cues = Cues(
            choreography.move_on, choreography.follow, choreography.hold, choreography.law.arrival
        )
        self._particle = Particle(choreography.law, self._vector(self._scene))
        # Where the sound carries it, and over how much of what is left of the way it is about to.
        self._goal = self._vector(self._scene)
        self._carried, self._heard = 0.0, time

    def _vector(self, cluster: int) -> np.ndarray:
        # Another preset's codebook may name more clusters than there are targets here.
        return self._targets[cluster % len(self._targets)]

    def hear(self, event: Event, memory: Memory, scene: int) -> None:
        """Let an event act from its time on. memory: with this event; scene: the cluster of the scene's
        vector."""
        cluster = self._cues.due(event, memory, self.cluster)
        strike = self._dance.kick * getattr(event.strikes, self._dance.follow) ** CONTRAST
        self._carry(event, memory)
        moves = cluster is not None or (scene != self._scene and self.cluster != SILENCE)
        if not (moves or strike or self._carried > LEAST_STEP):
            # The path goes on as it was; moving on now and then keeps the next move short.
            if event.time - self.time > STRIDE_S:
                self.advance(event.time)
                if self._dance.swell and self.cluster != SILENCE:
                    self._aim(memory.level)
            return
        self.advance(event.time)
        if moves:
            self._scene = scene
            self.cluster = self.cluster if cluster is None else cluster
            self._particle.law = self._dance.law
            self._aim(memory.level)
        if self._carried > LEAST_STEP:
            self._particle.aim(between(self._particle.target, self._goal, self._carried))
            self._carried = 0.0
        if strike and not moves:  # to be moved is accent enough
            struck = event.cluster if event.cluster not in (SILENCE, self._scene) else self.cluster
            self._particle.push(strike * (self._vector(struck) - self._vector(self._scene)))

    def _aim(self, level: float) -> None:
        here, there = self._vector(self._scene), self._vector(self.cluster)
        reach = self._dance.reach * (1 + self._dance.swell * (2 * level - 1))
        self._goal = self._placed(there if reach == 1 else between(here, there, reach))
        if not self._dance.carry:
            self._particle.aim(self._goal)

    def _placed(self, target: np.ndarray) -> np.ndarray:
        """A target, where it may depend on the present one."""
        return target

    def _carry(self, event: Event, memory: Memory) -> None:
        """Let the sound carry it on, as far as it rises."""
        seconds, self._heard = event.time - self._heard, event.time
        if self._dance.carry and event.cluster != SILENCE:
            follow = self._dance.follow
            rise = memory.rise if follow == "all" else getattr(event.strikes, follow)
            step = self._dance.carry * rise + min(max(seconds, 0.0), STRIDE_S) / CALM_S
            self._carried += (1 - self._carried) * min(1.0, step)

    def wander(self, time: float, cluster: int, law: Law) -> None:
        """Unheard, drift to a cluster's vector by another law, until the next event that names one."""
        self.advance(time)
        self.cluster, self._scene = SILENCE, cluster
        self._particle.law = law
        self._goal = self._placed(self._vector(cluster))
        self._particle.aim(self._goal)

    def resume(self, other: Dancer, level: float) -> None:
        """Go on from where another dancer is, by this one's own choreography: nothing jumps."""
        self.cluster, self.time, self._scene = other.cluster, other.time, other._scene
        self._particle = copy.copy(other._particle)
        self._cues.resume(other._cues)
        self._goal, self._carried, self._heard = other._goal, other._carried, other._heard
        if self.cluster != SILENCE:  # what drifts unheard goes on by its own law
            self._particle.law = self._dance.law
            self._aim(level)

    def advance(self, time: float) -> None:
        """Move on to a time, if it is not past."""
        self._particle.step(max(0.0, time - self.time))
        self.time = max(self.time, time)

    def fork(self) -> Dancer:
        """A copy that goes its own way from here. Cheap: nothing large is copied."""
        fork = copy.copy(self)
        fork._particle, fork._cues = copy.copy(self._particle), copy.copy(self._cues)
        return fork

    def code(self, time: float) -> np.ndarray:
        """[d] float32: where it is at a time not before the last event's."""
        return self._particle.code(time - self.time)
