"""Mixing: what several channels become, for the ear and for the analysis."""

import numpy as np
import pytest
from conftest import SR

from visualizer.audio.mixing import Mixer, gains
from visualizer.audio.song import mono

RNG = np.random.default_rng(0)


def mix(samples, block=441):
    mixer = Mixer(SR)
    blocks = [mixer.push(samples[i : i + block]) for i in range(0, len(samples), block)]
    return np.concatenate(blocks), mixer


def test_stereo_is_its_mean_to_the_last_bit(tune):
    mixed, mixer = mix(tune[: 5 * SR])
    np.testing.assert_array_equal(mixed, mono(tune[: 5 * SR]))
    assert mixer.alone is None and not mixer.remark


def test_one_silent_side_is_no_reason_to_choose(melody):
    mixed, _ = mix(melody * np.float32([1, 0]))
    np.testing.assert_array_equal(mixed, melody[:, 0] / 2)


def test_opposite_phase_is_heard(melody):
    left = melody[:, 0]
    mixed, mixer = mix(np.stack([left, -left], 1))
    np.testing.assert_array_equal(mixed[SR // 10 :], left[SR // 10 :])
    assert mixer.alone == 1 and "channel 1 alone" in mixer.remark


@pytest.mark.parametrize("channel", [0, 3, 7])
def test_one_of_eight_is_heard_as_loud_as_it_is(melody, channel):
    samples = 1e-4 * RNG.standard_normal((len(melody), 8)).astype(np.float32)
    samples[:, channel] = melody[:, 0]
    mixed, mixer = mix(samples)
    np.testing.assert_array_equal(mixed[SR // 10 :], melody[SR // 10 :, 0])
    assert mixer.alone == channel + 1


def test_it_returns_to_all_without_a_click():
    left = 0.5 * np.sin(np.arange(4 * SR) / 30).astype(np.float32)
    right = np.where(np.arange(4 * SR) < 2 * SR, -left, 0.8 * left).astype(np.float32)
    mixed, mixer = mix(np.stack([left, right], 1))
    assert mixer.alone is None
    np.testing.assert_allclose(mixed[-SR:], 0.9 * left[-SR:], atol=1e-6)
    assert np.abs(np.diff(mixed[SR:])).max() <= 1.01 * np.abs(np.diff(left)).max()


def test_blocks_of_any_size_give_the_same_mix(melody):
    samples = melody * np.float32([1, -1]) + melody.mean(1, keepdims=True) * 0.1
    whole = mix(samples, len(samples))[0]
    for block in (1, 77, 500, 512):
        cut = samples[: 4000 if block == 1 else None]
        np.testing.assert_allclose(mix(cut, block)[0], whole[: len(cut)], atol=1e-6)


def test_what_is_not_a_number_does_not_last(melody):
    broken = np.stack([melody[:, 0], -melody[:, 0]], 1)
    broken[100] = np.nan
    mixed, mixer = mix(broken)
    assert mixer.alone == 1 and np.isfinite(mixed[SR // 2 :]).all()


def test_unrelated_channels_of_a_cinema_are_as_loud_together():
    """5.1 as FFmpeg names it; FFmpeg itself leaves the bass channel out."""
    mixed = gains(["FL", "FR", "FC", "LFE", "SL", "SR"]) @ RNG.standard_normal((6, SR))
    assert mixed.std() == pytest.approx(1, rel=0.05)
    np.testing.assert_allclose(gains(["FL", "FR"]), np.eye(2))
    np.testing.assert_allclose(gains([""] * 9).sum(1), 1)
