"""Rest: what is still after the music, and what is music however quiet."""

import numpy as np
import pytest
from conftest import SR

from visualizer.audio.listener import Listener
from visualizer.audio.song import mono

HOP_S = 512 / SR


def decibels(value):
    return 10 ** (value / 20)


def noise(seconds, level, exponent=1.0):
    """Steady noise of so many dB RMS, whose power falls with frequency by an exponent: 1 is pink."""
    rng = np.random.default_rng(5)
    n = seconds * SR
    frequencies = np.maximum(np.fft.rfftfreq(n, 1 / SR), 20)
    spectrum = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    samples = np.fft.irfft(spectrum / frequencies ** (exponent / 2), n)
    return samples / samples.std() * decibels(level)


@pytest.fixture(scope="module")
def music(tune):
    """16 s of the demo tune at -20 dB RMS."""
    samples = mono(tune)[6 * SR : 22 * SR].astype(float)
    return samples / samples.std() * decibels(-20)


@pytest.fixture(scope="module")
def hear(codebook):
    def hear(*parts):
        """Clusters of one sound after the other."""
        listener = Listener(codebook)
        return np.array([event.cluster for event in listener.push(np.concatenate(parts).astype(np.float32))])

    return hear


@pytest.fixture(scope="module")
def alone(hear, music):
    return hear(music)


def between(clusters, begin, end):
    return clusters[round(begin / HOP_S) : round(end / HOP_S)]


def changes(clusters):
    return np.mean(np.diff(clusters) != 0)


@pytest.mark.parametrize(
    "level, exponent", [(-30, 1), (-45, 0), (-45, 1), (-45, 2), (-55, 1), (-65, 1), (-85, 0)]
)
def test_steady_noise_after_music_comes_to_rest(hear, music, level, exponent):
    clusters = hear(music, noise(24, level, exponent))
    assert (between(clusters, 16 + 2.5, 40) < 0).all()


def test_the_rooms_noise_comes_to_rest_before_any_music_and_music_wakes_it_at_once(hear, music, alone):
    clusters = hear(noise(12, -50), music)
    assert (between(clusters, 8, 12) < 0).all()
    assert (between(clusters, 12.3, 28) >= 0).mean() > (between(alone, 0.3, 16) >= 0).mean() - 0.02


def test_music_under_noise_is_heard(hear, music, alone):
    """In a loud room, only 10 dB above its noise."""
    clusters = hear(noise(10, -50), music * decibels(-20) + noise(16, -50))
    assert (between(clusters, 10.8, 26) >= 0).mean() > 0.95


@pytest.mark.parametrize("drop", [10, 20, 30, 40])
def test_music_that_becomes_quieter_dances_on(hear, music, alone, drop):
    """Within three seconds; as often as the same after itself as loud."""
    after = between(hear(music, music * decibels(-drop)), 16 + 3, 32)
    expected = between(hear(music, music), 16 + 3, 32)
    assert (after < 0).mean() < (expected < 0).mean() + 0.02
    assert changes(after) == pytest.approx(changes(expected), rel=0.2)


@pytest.mark.parametrize("gain", [-20, -40, -60])
def test_quiet_music_dances_as_loud_music_does(hear, music, alone, gain):
    assert (hear(music * decibels(gain)) == alone).mean() > 0.95


def test_a_tone_that_lasts_is_music_and_hum_far_below_it_is_not(hear, music):
    t = np.arange(12 * SR) / SR
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277.2, 329.6))
    hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5))
    assert (between(hear(music, chord / chord.std() * decibels(-26)), 17, 28) >= 0).all()
    assert (between(hear(music, hum / hum.std() * decibels(-58)), 19, 28) < 0).all()


def test_a_fade_is_followed_to_its_end(hear, music):
    fade = decibels(np.linspace(0, -60, len(music)))
    assert (between(hear(music * fade), 1, 15.5) >= 0).mean() > 0.7
