"""A figurant: a dancer with a body. Hips lead, arms follow, and the foot that stands stays where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from visualizer.latent import body
from visualizer.latent.choreography import Choreography
from visualizer.latent.dancer import Dancer
from visualizer.latent.particle import Law, Spring

# How long each part of the body takes, in parts of the response; the others, as legs do.
LEGS = 0.85
PARTS = (
    (1.0, ("spine", "shoulders")),
    (1.2, ("neck", "ears", "face", "left upper arm", "right upper arm")),
    (1.45, ("left forearm", "right forearm")),
    (1.7, ("left hand", "right hand")),
)


@dataclass(frozen=True)
class Limbs:
    """A spring for each part of a body, slower from the hips to the hands.

    Where the body stands goes with its legs, or feet would slide.
    """

    spring: Spring

    @property
    def arrival(self) -> float:
        return self.spring.arrival

    def step(
        self, position: np.ndarray, velocity: np.ndarray, target: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray]:
        moved, speed = self._slower(LEGS).step(position, velocity, target, dt)
        for slower, index in INDICES:
            part = position[index], velocity[index], target[index]
            moved[index], speed[index] = self._slower(slower).step(*part, dt)
        return moved, speed

    def _slower(self, by: float) -> Spring:
        return replace(self.spring, response=by * self.spring.response)


def _coordinates(bones: tuple[str, ...]) -> np.ndarray:
    return np.concatenate([3 * body.NUMBER[bone] + np.arange(3) for bone in bones])


INDICES = [(slower, _coordinates(bones)) for slower, bones in PARTS]


class Figurant(Dancer):
    """A dancer through pose space."""

    def __init__(self, targets: np.ndarray, choreography: Choreography, cluster: int, time: float):
        """targets: [n_clusters, POSE_DIM]; the others as in `Dancer`."""
        law: Law = choreography.law
        if isinstance(law, Spring):
            law = Limbs(law)
        super().__init__(targets, replace(choreography, law=law), cluster, time)

    def _placed(self, target: np.ndarray) -> np.ndarray:
        return body.planted(self._particle.target, target)
