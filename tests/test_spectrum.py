"""The spectrum against scipy, and what its user relies on."""

import numpy as np
import pytest
import scipy.fftpack
import scipy.signal

from visualizer.audio.bands import BandPower
from visualizer.audio.demo_tune import demo_tune
from visualizer.audio.song import mono
from visualizer.audio.spectrum import Spectrum, SpectrumSettings

SETTINGS = SpectrumSettings()


@pytest.fixture(scope="module")
def tune():
    return mono(demo_tune())[: 12 * SETTINGS.sr]


def analyse(samples, block=None):
    """(bands, power_db, loudness, onset, silent) of all windows, fed in blocks."""
    spectrum = Spectrum(SETTINGS)
    blocks = np.split(samples, range(block, len(samples), block)) if block else [samples]
    rows = [
        (w.bands.copy(), w.power_db.copy(), w.loudness, w.onset, w.silent)
        for b in blocks
        for w in spectrum.push(b)
    ]
    return [np.array(column) for column in zip(*rows, strict=True)]


def test_band_power_agrees_with_scipys_stft(tune):
    _, power_db, *_ = analyse(tune)
    n_fft, hop = SETTINGS.n_fft, SETTINGS.hop_length
    padded = np.concatenate([np.zeros(n_fft - hop), tune])
    hann = scipy.signal.get_window("hann", n_fft)
    stft = scipy.signal.ShortTimeFFT(hann, hop, SETTINGS.sr, fft_mode="onesided")
    spectra = stft.spectrogram(padded, p0=2, p1=2 + len(power_db), k_offset=0)
    edges = SETTINGS.edges
    # Wide bands hold many whole bins, so that how edges split a bin hardly matters.
    for band in range(40, 64):
        inside = (stft.f >= edges[band]) & (stft.f < edges[band + 1])
        expected = 10 * np.log10(spectra[inside].sum(0) * 4 / (n_fft * np.sum(hann**2)) + 1e-20)
        loud = expected > -60
        assert np.median(np.abs(power_db[loud, band] - expected[loud])) < 1.5


def test_a_full_scale_sine_is_0_db_in_its_own_band():
    t = np.arange(SETTINGS.sr) / SETTINGS.sr
    edges = SETTINGS.edges
    for frequency in (100.0, 440.0, 5000.0):
        _, power_db, loudness, *_ = analyse(np.sin(2 * np.pi * frequency * t))
        assert loudness[-1] == pytest.approx(0, abs=0.1)
        peak = power_db[-1].argmax()
        assert edges[peak] - 22 <= frequency <= edges[peak + 1] + 22


def test_bands_are_log_spaced_but_never_finer_than_the_transform():
    edges = SETTINGS.edges
    assert edges[0] == 40 and edges[-1] == pytest.approx(16000)
    assert np.diff(edges).min() >= SETTINGS.sr / SETTINGS.n_fft - 1e-9
    ratios = edges[-20:] / edges[-21:-1]
    np.testing.assert_allclose(ratios, ratios[0])


@pytest.mark.parametrize("block", [1, 100, 511, 512, 4096])
def test_blocks_of_any_size_give_the_same_numbers(tune, block):
    short = tune[: SETTINGS.sr // (8 if block == 1 else 1)]
    for whole, cut in zip(analyse(short), analyse(short, block), strict=True):
        np.testing.assert_array_equal(whole, cut)


def test_level_does_not_matter(tune, codebook):
    loud, *_ = analyse(tune)
    quiet, *_ = analyse(tune * 10 ** (-12 / 20))
    same = [codebook.predict(a) == codebook.predict(b) for a, b in zip(loud, quiet, strict=True)]
    assert np.mean(same) >= 0.95


def test_silence_is_a_state_of_its_own(tune, codebook):
    rng = np.random.default_rng(0)
    hiss = 1e-5 * rng.standard_normal(2 * SETTINGS.sr)
    bands, _, loudness, onset, silent = analyse(np.concatenate([tune, hiss]))
    last = slice(-80, None)
    assert silent[last].all() and not bands[last].any() and not onset[last].any()
    assert loudness[last].max() < -80
    assert not silent[100 : len(tune) // SETTINGS.hop_length - 100].any()


def test_music_after_silence_is_heard_as_before(tune):
    gap = np.zeros(SETTINGS.sr)
    bands, *_, silent = analyse(np.concatenate([tune, gap, tune]))
    assert silent.any()
    assert np.abs(bands[~silent]).max() < 20
    assert np.isfinite(bands).all()


def test_onsets_are_where_the_clicks_are():
    samples = 0.01 * np.random.default_rng(0).standard_normal(4 * SETTINGS.sr)
    clicks = np.arange(1, 8) * SETTINGS.sr // 2
    for click in clicks:
        samples[click : click + 200] += 0.8
    onset = analyse(samples)[3]
    found = scipy.signal.find_peaks(onset, height=0.5 * np.sort(onset[20:])[-len(clicks)], distance=10)[0]
    times = (found[found > 20] + 1) * SETTINGS.hop_length
    assert len(times) == len(clicks)
    assert np.abs(times - clicks).max() <= 2 * SETTINGS.hop_length


def test_what_is_not_a_number_is_silence(tune):
    bad = tune[: SETTINGS.sr].copy()
    bad[1000:1010] = np.nan
    bad[5000] = np.inf
    for column in analyse(bad):
        assert np.isfinite(column).all()


def test_dc_is_not_heard():
    loudness = analyse(np.full(SETTINGS.sr, 0.5))[2]
    assert loudness[8:].max() < -80


@pytest.mark.parametrize("fault", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_sound_do_not_last(tune, fault):
    broken = tune.copy()
    broken[3 * SETTINGS.sr] = fault
    bands, power_db, loudness, onset, _ = analyse(broken)
    for numbers in (bands, power_db, loudness, onset):
        assert np.isfinite(numbers).all()
    assert len(np.unique(bands[-100:].round(6), axis=0)) > 90


def test_band_power_shares_each_bin_among_the_bands_that_it_overlaps():
    s = SETTINGS
    spectrum = np.random.default_rng(0).normal(size=s.n_fft)
    edges, centres = s.edges * s.n_fft / s.sr, np.arange(s.n_fft // 2 + 1)
    shares = np.minimum(edges[1:, None], centres + 0.5) - np.maximum(edges[:-1, None], centres - 0.5)
    expected = np.maximum(shares, 0) @ np.abs(np.fft.rfft(spectrum)) ** 2
    power = np.empty(s.n_bands)
    packed = scipy.fftpack.rfft(spectrum.astype(np.float32))
    BandPower(s.edges, s.sr, s.n_fft, scale=3.0)(packed, power)
    np.testing.assert_allclose(power, 3 * expected, rtol=1e-5)
