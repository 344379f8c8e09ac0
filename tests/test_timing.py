"""From one sample rate to another, and when each block of a stream was sound."""

import numpy as np
from conftest import SR

from visualizer.audio.resampler import Resampler
from visualizer.audio.timing import StreamClock


def test_the_resampler_is_seamless_and_true():
    t = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 1000 * t)
    whole = Resampler(48000, SR).push(tone)
    pieces = Resampler(48000, SR)
    cut = np.concatenate([pieces.push(part) for part in np.split(tone, [1, 7, 500, 501, 20000])])
    np.testing.assert_allclose(cut, whole, atol=1e-12)
    assert abs(len(whole) - SR) <= 1
    when = np.arange(len(whole)) / SR - pieces.delay_s
    np.testing.assert_allclose(whole[200:], np.sin(2 * np.pi * 1000 * when)[200:], atol=1e-3)
    alias = Resampler(48000, SR).push(np.sin(2 * np.pi * 23500 * t))
    assert np.abs(alias[500:]).max() < 1e-3


def test_the_clock_smooths_jitter_and_notices_loss():
    rng = np.random.default_rng(0)
    clock, true, begins, trues = StreamClock(SR), 50.0, [], []
    for i in range(2000):
        if i == 1000:
            true += 0.25  # samples were lost
        begins.append(clock.begin(512, true + rng.normal(0, 0.003)))
        trues.append(true)
        true += 512 / SR * 1.0001  # a crystal that is a little slow
    error = np.array(begins) - trues
    assert np.abs(error[200:1000]).max() < 0.002
    assert np.abs(error[1010:1200]).max() < 0.005
    assert np.abs(error[1200:]).max() < 0.002


def test_one_wrong_word_of_a_driver_is_not_believed():
    """Some say now and then that a block is half a second old."""
    rng = np.random.default_rng(0)
    clock, error = StreamClock(SR), []
    for i in range(1000):
        true = 50.0 + i * 512 / SR
        wrong = -0.56 if i % 80 == 79 else 0.0
        error.append(clock.begin(512, true + rng.normal(0, 0.002) + wrong) - true)
    assert np.abs(error[100:]).max() < 0.003
