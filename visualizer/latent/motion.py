"""Motion: from the names of moments to a path through the space of codes.

The whole physics of both engines: live, a thread calls it; offline, a virtual clock does. The path
depends on the events alone, never on how often it is looked at.
"""

from __future__ import annotations

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.particle import Law, Particle


class Motion:
    """A particle that is sent from target to target by clusters.

    A target is held for at least `hold` seconds: music changes its cluster up to 30 times a second,
    and a particle pulled everywhere at once goes nowhere. In silence the last target stays, and
    the picture comes to rest.
    """

    def __init__(self, targets: np.ndarray, law: Law, hold: float):
        """targets: [n_clusters, d] codes, one for each cluster; hold: seconds."""
        self.targets = targets
        self.hold = hold
        self.cluster = SILENCE
        self.time = 0.0
        self._switched = -np.inf
        self._particle = Particle(law, targets[0])

    def hear(self, event: Event) -> None:
        """Move on to the event's time and let it choose the target. Events come in order of time."""
        self._particle.step(max(0.0, event.time - self.time))
        self.time = max(self.time, event.time)
        if event.cluster in (SILENCE, self.cluster) or event.time - self._switched < self.hold:
            return
        self.cluster = event.cluster
        self._switched = event.time
        self._particle.aim(self.targets[event.cluster])

    def code(self, time: float) -> np.ndarray:
        """[d] float32: what to draw at a time not before the last event's."""
        return self._particle.code(time - self.time)
