"""Motion: from the names of moments to a path through the space of codes.

The whole physics of both engines: live, a thread calls it; offline, a virtual clock does. The path
depends on the events alone, never on how often it is looked at.
"""

from __future__ import annotations

import copy

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.code import Code
from visualizer.latent.particle import Law, Particle

# So far the particle is moved at once where nothing happens to it.
STRIDE_S = 0.1


class Motion:
    """A particle that is sent from target to target by clusters.

    A target is held for at least `hold` seconds: music changes its cluster up to 30 times a second,
    and a particle pulled everywhere at once goes nowhere. In silence the last target stays, and
    the picture comes to rest.
    """

    def __init__(self, targets: np.ndarray, law: Law, hold: float):
        """targets: [n_clusters, d] codes, one for each cluster; hold: seconds."""
        self.targets = targets
        self.law = law
        self.hold = hold
        self.frozen = False
        """While true, no event changes the target."""
        self.begin(0.0)

    def begin(self, time: float, cluster: int = SILENCE) -> None:
        """Start afresh at a time in seconds, at rest on a cluster's target (in silence, the first)."""
        self.cluster = cluster
        self.time = time
        self._switched = -np.inf
        self._particle = Particle(self.law, self._target(max(cluster, 0)))

    def _target(self, cluster: int) -> np.ndarray:
        # Another preset's codebook may name more clusters than there are targets here.
        return self.targets[cluster % len(self.targets)]

    def hear(self, event: Event) -> None:
        """Let an event choose the target from its time on. Events come in order of time."""
        if self.frozen or event.cluster in (SILENCE, self.cluster) or event.time - self._switched < self.hold:
            # The path goes on as it was; moving on now and then keeps the next move short.
            if event.time - self.time > STRIDE_S:
                self.advance(event.time)
            return
        self.advance(event.time)
        self.cluster = event.cluster
        self._switched = event.time
        self._particle.law = self.law
        self._particle.aim(self._target(event.cluster))

    def wander(self, time: float, cluster: int, law: Law) -> None:
        """Unheard, drift to a cluster's target by another law, until the next event that names one."""
        self.advance(time)
        self.cluster = SILENCE
        self._switched = -np.inf
        self._particle.law = law
        self._particle.aim(self._target(cluster))

    def advance(self, time: float) -> None:
        """Move on to a time, if it is not past."""
        self._particle.step(max(0.0, time - self.time))
        self.time = max(self.time, time)

    def resume(self, other: Motion) -> None:
        """Go on from where another motion is, by this one's own settings: nothing jumps."""
        self.cluster, self.time, self._switched = other.cluster, other.time, other._switched
        self.frozen = other.frozen
        self._particle = copy.copy(other._particle)
        if self.cluster != SILENCE:  # what drifts unheard goes on by its own law
            self._particle.law = self.law

    def fork(self) -> Motion:
        """A copy that goes its own way from here. Cheap: nothing large is copied."""
        fork = copy.copy(self)
        fork._particle = copy.copy(self._particle)
        return fork

    def code(self, time: float) -> Code:
        """What to draw at a time not before the last event's."""
        place = self._particle.code(time - self.time)
        return Code(place, place)
