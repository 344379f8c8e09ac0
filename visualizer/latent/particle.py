"""The particle: a point with inertia that chases targets through the space of codes.

Both laws speak a musician's terms. `response` is the time in which a particle without bounce
covers nine tenths of the way to a new target; `bounce` is how far it overshoots, as a share of
that way (0 arrives without overshoot, 0.5 swings past by half the distance).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from visualizer.latent.shell import on_shell

# Critically damped from rest, 1 - (1 + wt) exp(-wt) reaches 0.9 at wt = 3.8897.
NINE_TENTHS = 3.889720169867429
# A distance or a speed without a direction.
TINY = 1e-12
# Where pushes come back to.
REST = np.zeros(1)
# A push shorter than this, in units of the code space, can't be seen.
RESTS = 1e-3


def natural_frequency(response: float) -> float:
    """Angular frequency in rad/s of a spring that answers within `response` seconds."""
    return NINE_TENTHS / response


def damping_ratio(bounce: float) -> float:
    """The damping ratio whose step response overshoots by `bounce`, 0..1; 1 means critical.

    Overshoot = exp(-pi zeta / sqrt(1 - zeta^2)), solved for zeta.
    """
    if bounce <= 0:
        return 1.0
    decrement = -math.log(bounce)
    return decrement / math.hypot(math.pi, decrement)


class Law(Protocol):
    """How a particle moves towards a target that stands still for `dt` seconds."""

    @property
    def arrival(self) -> float:
        """Seconds from rest to where a target is first reached; without bounce, to nine tenths of the way."""
        ...

    def step(
        self, position: np.ndarray, velocity: np.ndarray, target: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity after dt seconds; the arrays given are left alone."""
        ...


@dataclass(frozen=True)
class Spring:
    """A damped spring, x'' = -w^2 (x - target) - 2 zeta w x', in closed form.

    Exact for any dt, so that the path depends neither on the frame rate nor on late wake-ups, and
    nothing can blow up. response in seconds, bounce 0..1 (exclusive).
    """

    response: float
    bounce: float

    @property
    def arrival(self) -> float:
        zeta = damping_ratio(self.bounce)
        if zeta == 1:
            return self.response
        return (math.pi - math.acos(zeta)) / (natural_frequency(self.response) * math.sqrt(1 - zeta * zeta))

    def step(
        self, position: np.ndarray, velocity: np.ndarray, target: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray]:
        omega, zeta = natural_frequency(self.response), damping_ratio(self.bounce)
        damped = omega * math.sqrt(1 - zeta * zeta)
        decay = math.exp(-zeta * omega * dt)
        cos = math.cos(damped * dt)
        # sin(damped t) / damped, which tends to t at critical damping.
        sin = dt * float(np.sinc(damped * dt / math.pi))
        offset = position - target
        new_offset = (decay * (cos + zeta * omega * sin)) * offset + (decay * sin) * velocity
        new_velocity = (decay * (cos - zeta * omega * sin)) * velocity
        new_velocity -= (decay * omega * omega * sin) * offset
        return target + new_offset, new_velocity


@dataclass(frozen=True)
class Gravity:
    """Softened gravity with drag, x'' = -g d / (|d|^2 + s^2)^(3/2) - c x', d = x - target.

    Plummer's softening keeps the pull finite. Close to the target it is the spring of the same
    response and bounce; from afar it pulls less, so the particle sails in wide arcs. Integrated by
    the classical Runge-Kutta method in steps of at most a twentieth of 1/w, which keeps the error
    near 1e-6 of the way. softening in the units of the code space.

    Neither a central force nor drag leaves the plane of distance and velocity: in it both are complex
    numbers, and only the outcome is a vector again.
    """

    response: float
    bounce: float
    softening: float = 48.0

    # In units of 1/w: by then even the bounciest particle has come to rest.
    SETTLED = 200.0
    # Neighbours in a bank are about so far from each other, in units of the softening.
    USUAL_WAY = 1.5

    @property
    def arrival(self) -> float:
        way = self.USUAL_WAY * self.softening
        x, v, dt, time = complex(way), 0j, self.response / 20, 0.0
        while x.real > 0.1 * way:
            x, v = self._in_plane(x, v, dt)
            time += dt
        return time

    def step(
        self, position: np.ndarray, velocity: np.ndarray, target: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray]:
        d = position - target
        # Coordinates on orthonormal axes: along the distance, and across it where the velocity leads.
        distance = math.sqrt(float(d @ d))
        radial = float(velocity @ d) / distance if distance > TINY else 0.0
        across = velocity - (radial / distance) * d if distance > TINY else velocity
        tangential = math.sqrt(float(across @ across))
        x, v = self._in_plane(complex(distance), complex(radial, tangential), dt)
        basis = np.stack([d, across])
        lengths = np.array([max(distance, TINY), max(tangential, TINY)])
        weights = np.array([[x.real, x.imag], [v.real, v.imag]]) / lengths
        offset, velocity = weights @ basis
        return target + offset, velocity

    def _in_plane(self, x: complex, v: complex, dt: float) -> tuple[complex, complex]:
        """Distance from the target and velocity after dt seconds."""
        omega, zeta = natural_frequency(self.response), damping_ratio(self.bounce)
        softening2 = self.softening**2
        pull, drag = omega**2, 2 * zeta * omega

        def acceleration(x: complex, v: complex) -> complex:
            squared = x.real * x.real + x.imag * x.imag
            return -pull * (1 + squared / softening2) ** -1.5 * x - drag * v

        dt = min(dt, self.SETTLED / omega)
        n = max(1, math.ceil(dt * omega * 20))
        h = dt / n
        for _ in range(n):
            a1 = acceleration(x, v)
            v2 = v + h / 2 * a1
            a2 = acceleration(x + h / 2 * v, v2)
            v3 = v + h / 2 * a2
            a3 = acceleration(x + h / 2 * v2, v3)
            v4 = v + h * a3
            a4 = acceleration(x + h * v3, v4)
            x += h / 6 * (v + 2 * v2 + 2 * v3 + v4)
            v += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        return x, v


class Particle:
    """A particle that is shown on the shell where pictures live.

    It moves freely, carrying the radius of its targets as one more coordinate under the same law, and
    `code` is what it passes through as a mixture of that radius. A push carries it away for a moment, by a
    quick spring of its own, and brings it back, whatever its law is doing.
    """

    PUSH = Spring(response=0.26, bounce=0.0)

    def __init__(self, law: Law, start: np.ndarray):
        """start: [d], where it rests at first; also its first target."""
        self.law = law
        self._position = self._with_radius(start)
        self._velocity = np.zeros_like(self._position)
        self._target = self._position.copy()
        # Offset [d] and its velocity; None at rest.
        self._pushed: tuple[np.ndarray, np.ndarray] | None = None

    @staticmethod
    def _with_radius(code: np.ndarray) -> np.ndarray:
        code = np.asarray(code, np.float64)
        return np.append(code, np.linalg.norm(code))

    @property
    def target(self) -> np.ndarray:
        """[d] where it is going."""
        return self._target[:-1]

    def aim(self, target: np.ndarray) -> None:
        """Set the target [d]; position and velocity go on unbroken."""
        self._target = self._with_radius(target)

    def push(self, way: np.ndarray) -> None:
        """Push it by a way [d], at whose end it will be soon, were it at rest, and turn back."""
        offset, velocity = self._pushed or (np.zeros(len(way)), np.zeros(len(way)))
        # From rest, v t exp(-wt) is at most v / (e w).
        self._pushed = offset, velocity + math.e * natural_frequency(self.PUSH.response) * way

    def step(self, dt: float) -> None:
        """Move on by dt seconds."""
        self._position, self._velocity = self.law.step(self._position, self._velocity, self._target, dt)
        if self._pushed is not None:
            offset, velocity = self.PUSH.step(*self._pushed, REST, dt)
            rests = max(offset @ offset, (velocity @ velocity) * self.PUSH.response**2) < RESTS**2
            self._pushed = None if rests else (offset, velocity)

    def code(self, ahead: float = 0.0) -> np.ndarray:
        """[d] float32: where it is, or will be in `ahead` seconds if the target stays, on the shell."""
        position = self._position
        if ahead > 0:
            position, _ = self.law.step(self._position, self._velocity, self._target, ahead)
        direction, radius = position[:-1], position[-1]
        if self._pushed is not None:
            direction = direction + self.PUSH.step(*self._pushed, REST, ahead)[0]
        return on_shell(direction, float(radius)).astype(np.float32)
