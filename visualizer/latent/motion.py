"""Motion: from what is heard to a path through the space of codes.

The whole physics of both engines: live, a thread calls it; offline, a virtual clock does. The path
depends on the events alone, never on how often it is looked at.
"""

from __future__ import annotations

import copy

import numpy as np

from visualizer.audio.codebook import SILENCE
from visualizer.audio.listener import Event
from visualizer.latent.choreography import Choreography
from visualizer.latent.code import Code
from visualizer.latent.dancer import Dancer
from visualizer.latent.figurant import Figurant
from visualizer.latent.memory import Memory
from visualizer.latent.particle import Law
from visualizer.latent.scenes import Scenes


class Motion:
    """Two particles, shape and matter, or one for both, that the sound sends from target to target.

    In silence the last target stays, and the picture comes to rest.
    """

    def __init__(
        self,
        targets: np.ndarray,
        shape: Choreography,
        matter: Choreography | None = None,
        bars: int = 8,
        sensitivity: float = 1.0,
        poses: np.ndarray | None = None,
    ):
        """targets: [n_clusters, d] codes, one for each cluster. matter: None for one particle. bars: how long
        a scene lasts, if no new section of the music begins. sensitivity: how strongly it answers to what it
        hears. poses: [n_clusters, POSE_DIM], in place of the targets' shapes."""
        self.targets = targets
        self.poses = poses
        self._shape, self._matter = shape, matter
        self._bars, self._sensitivity = bars, sensitivity
        self.frozen = False
        """While true, no event changes anything."""
        self.begin(0.0)

    def begin(self, time: float, cluster: int = SILENCE) -> None:
        """Start afresh at a time in seconds, at rest on a cluster's target (in silence, the first)."""
        self._memory = Memory.empty(len(self.targets))
        self._scenes = Scenes(self._bars, cluster)
        if self.poses is None:
            dances = (self._shape,) if self._matter is None else (self._shape, self._matter)
            self._dancers = [Dancer(self.targets, dance, cluster, time) for dance in dances]
        else:
            matter = Dancer(self.targets, self._matter or self._shape, cluster, time)
            self._dancers = [Figurant(self.poses, self._shape, cluster, time), matter]

    @property
    def cluster(self) -> int:
        """The cluster that the shape moves to; `SILENCE` before the first sound."""
        return self._dancers[0].cluster

    @property
    def time(self) -> float:
        """Up to here it has moved."""
        return min(dancer.time for dancer in self._dancers)

    def sense(self, event: Event) -> Event:
        """A moment as it seems to this motion, and as effects should know it."""
        return event.sensed(self._sensitivity)

    def hear(self, event: Event) -> None:
        """Let an event act from its time on. Events come in order of time."""
        if self.frozen:
            return self.advance(event.time)
        event = self.sense(event)
        self._memory = self._memory.after(event)
        scene = self._scenes.hear(event, self._memory)
        for dancer in self._dancers:
            dancer.hear(event, self._memory, scene)

    def resume(self, other: Motion) -> None:
        """Go on from where another motion is, by this one's own settings: nothing jumps."""
        self._memory, self.frozen = other._memory, other.frozen
        self._scenes.resume(other._scenes)
        for i, dancer in enumerate(self._dancers):
            dancer.resume(other._dancers[min(i, len(other._dancers) - 1)], self._memory.level)

    def wander(self, time: float, cluster: int, law: Law) -> None:
        """Unheard, drift to a cluster's vector by another law, until the next event that names one."""
        self._scenes.begin(cluster)
        for dancer in self._dancers:
            dancer.wander(time, cluster, law)

    def advance(self, time: float) -> None:
        """Move on to a time, if it is not past."""
        for dancer in self._dancers:
            dancer.advance(time)

    def fork(self) -> Motion:
        """A copy that goes its own way from here. Cheap: nothing large is copied."""
        fork = copy.copy(self)
        fork._scenes = copy.copy(self._scenes)
        fork._dancers = [dancer.fork() for dancer in self._dancers]
        return fork

    def code(self, time: float) -> Code:
        """What to draw at a time not before the last event's."""
        places = [dancer.code(time) for dancer in self._dancers]
        return Code(places[0], places[-1])
