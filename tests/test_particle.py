"""The particle against an independent solution of its equations."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from visualizer.latent.particle import Gravity, Particle, Spring, damping_ratio, natural_frequency

DIM = 6
RNG = np.random.default_rng(0)
START, VELOCITY, TARGET = 40 * RNG.standard_normal((3, DIM))


def solve(acceleration, duration):
    """Position and velocity by an adaptive integrator of order 8."""

    def rates(_, state):
        x, v = np.split(state, 2)
        return np.concatenate([v, acceleration(x - TARGET, v)])

    state = np.concatenate([START, VELOCITY])
    end = solve_ivp(rates, (0, duration), state, method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
    return np.split(end, 2)


@pytest.mark.parametrize("bounce", [0.0, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("duration", [0.01, 0.3, 2.0])
def test_spring_solves_its_equation(bounce, duration):
    law = Spring(response=0.25, bounce=bounce)
    omega, zeta = natural_frequency(0.25), damping_ratio(bounce)
    expected = solve(lambda d, v: -(omega**2) * d - 2 * zeta * omega * v, duration)
    got = law.step(START, VELOCITY, TARGET, duration)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("duration", [0.01, 0.3, 2.0])
def test_gravity_solves_its_equation(duration):
    law = Gravity(response=0.25, bounce=0.3, softening=30.0)
    omega, zeta = natural_frequency(0.25), damping_ratio(0.3)

    def acceleration(d, v):
        return -(omega**2) * d * (1 + d @ d / 30.0**2) ** -1.5 - 2 * zeta * omega * v

    expected = solve(acceleration, duration)
    got = law.step(START, VELOCITY, TARGET, duration)
    np.testing.assert_allclose(got, expected, atol=1e-3 * 40)


@pytest.mark.parametrize("law", [Spring(0.25, 0.3), Spring(0.25, 0.0)])
def test_the_spring_path_does_not_depend_on_the_frame_rate(law):
    one = law.step(START, VELOCITY, TARGET, 1.0)
    many = START, VELOCITY
    for dt in RNG.dirichlet(np.ones(700)):
        many = law.step(*many, TARGET, dt)
    np.testing.assert_allclose(many, one, atol=1e-8)


@pytest.mark.parametrize("law", [Spring(0.02, 0.9), Gravity(0.02, 0.9)])
@pytest.mark.parametrize("dt", [1e-6, 0.1, 10.0])
def test_nothing_blows_up(law, dt):
    x, v = START, VELOCITY
    bound = np.linalg.norm(x - TARGET) + np.linalg.norm(v) / natural_frequency(0.02)
    for _ in range(3):
        x, v = law.step(x, v, TARGET, dt)
        assert np.linalg.norm(x - TARGET) <= bound * 1.01


def test_response_and_bounce_mean_what_they_say():
    rest = np.zeros(1)
    way = np.ones(1)
    x, _ = Spring(response=0.4, bounce=0.0).step(rest, rest, way, 0.4)
    assert x[0] == pytest.approx(0.9, abs=1e-6)
    bouncy = Spring(response=0.4, bounce=0.25)
    peak = max(bouncy.step(rest, rest, way, t)[0][0] for t in np.linspace(0, 2, 4000))
    assert peak == pytest.approx(1.25, abs=1e-4)


def test_what_is_shown_stays_near_the_shell():
    """Between opposite targets a free particle would pass through the middle, and through mud."""
    rng = np.random.default_rng(1)
    targets = rng.standard_normal((8, 4096))
    targets *= np.linspace(50, 70, 8)[:, None] / np.linalg.norm(targets, axis=1, keepdims=True)
    particle = Particle(Spring(1.0, 0.0), targets[0])
    free, shown, radii = [], [], []
    for _ in range(200):
        particle.aim(targets[rng.integers(8)])
        particle.step(0.06)
        free.append(np.linalg.norm(particle._position[:-1]))
        shown.append(np.linalg.norm(particle.code()))
        radii.append(particle._position[-1])
    assert np.mean(free[50:]) < 45, "the free particle should have sunk into the middle"
    assert min(shown) > 40 and max(shown) <= 70
    # Two thirds of the way outwards, as sizes go.
    np.testing.assert_allclose(np.cbrt(np.multiply(free, np.square(radii))), shown, rtol=1e-5)


def test_looking_ahead_changes_nothing():
    particle = Particle(Spring(0.3, 0.2), START)
    particle.aim(TARGET)
    particle.step(0.1)
    ahead = particle.code(0.05)
    particle.step(0.05)
    np.testing.assert_allclose(particle.code(), ahead, rtol=1e-6)


@pytest.mark.parametrize("law", [Spring(0.3, 0.3), Spring(0.5, 0.1), Spring(0.4, 0.0), Gravity(0.4, 0.2)])
def test_it_arrives_when_it_says(law):
    """At the target for the first time; without bounce, and by gravity, at nine tenths of the way."""
    way = 1.5 * law.softening if isinstance(law, Gravity) else 1.0
    times = np.linspace(0, 3 * law.arrival, 600)
    left = [law.step(np.full(1, way), np.zeros(1), np.zeros(1), t)[0][0] / way for t in times]
    goal = 0.0 if isinstance(law, Spring) and law.bounce else 0.1
    assert times[np.argmax(np.array(left) <= goal)] == pytest.approx(law.arrival, rel=0.06)


def test_a_push_goes_as_far_as_it_should_and_comes_back():
    start, way = np.random.default_rng(0).standard_normal((2, 64))
    way *= 0.05 * np.linalg.norm(start) / np.linalg.norm(way)
    particle = Particle(Spring(0.4, 0.0), start)
    particle.push(way)
    times = np.linspace(0, 1, 501)
    away = np.array([np.linalg.norm(particle.code(t) - start) for t in times])
    assert away.max() == pytest.approx(np.linalg.norm(way), rel=0.1) and away[-1] < 1e-3 * away.max()
    assert times[away.argmax()] == pytest.approx(Particle.PUSH.response / 3.89, abs=0.005)
    ahead = particle.code(0.05)
    for _ in range(100):  # however it is cut
        particle.step(0.0005)
    np.testing.assert_allclose(particle.code(), ahead, atol=1e-5)
