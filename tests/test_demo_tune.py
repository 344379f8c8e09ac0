import sys

import numpy as np
import pytest
from scipy import signal

from visualizer.audio import demo_score as score
from visualizer.audio import demo_tune as demo
from visualizer.audio.demo_process import begin_demo_tune

BEAT = 4 * demo.STEP


@pytest.fixture(scope="module")
def tune():
    return demo.demo_tune()


def bars(tune, first, last):
    start, end = (round(bar * demo.BAR * demo.SAMPLE_RATE) for bar in (first, last))
    return tune[start:end].mean(axis=1)


def low_band_db(mono):
    sos = signal.butter(4, 90, "lowpass", fs=demo.SAMPLE_RATE, output="sos")
    return 20 * np.log10(signal.sosfilt(sos, mono).std())


def test_shape_type_and_length(tune):
    assert demo.SAMPLE_RATE == 44100
    assert tune.dtype == np.float32
    assert tune.shape == (round(demo.SECONDS * demo.SAMPLE_RATE), 2)
    assert len(tune) >= 20 * demo.SAMPLE_RATE
    assert tune.flags.c_contiguous


def test_is_always_the_same(tune):
    np.testing.assert_array_equal(demo.demo_tune(), tune)


def test_another_process_plays_the_same(tune, monkeypatch):
    monkeypatch.setattr(demo, "demo_tune", None)  # what this process would play if that one failed
    np.testing.assert_array_equal(begin_demo_tune().result(), tune)
    assert begin_demo_tune() is begin_demo_tune()


def test_without_another_process_it_is_the_same(tune, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    np.testing.assert_array_equal(begin_demo_tune.__wrapped__().result(), tune)


def test_peak_loudness_and_dc(tune):
    assert np.isfinite(tune).all()
    assert 20 * np.log10(np.abs(tune).max()) == pytest.approx(-1, abs=0.01)
    assert -20 < 20 * np.log10(tune.std()) < -12
    assert np.abs(tune.mean(axis=0)).max() < 1e-4


def test_starts_at_once_and_ends_in_silence(tune):
    rate = demo.SAMPLE_RATE
    assert np.abs(tune[: rate // 20]).max() > 0.1
    assert not tune[-round(demo.SILENCE * rate) :].any()
    tail = [tune[-round(s * rate) : -round((s - 0.5) * rate)].std() for s in (2.5, 2.0, 1.5, 1.0)]
    assert tail[0] > 0.01
    assert tail == sorted(tail, reverse=True)


def test_has_no_clicks(tune):
    """The smooth break never jumps by more than a loud snare roll does."""
    assert np.abs(np.diff(bars(tune, 9, 10))).max() < 0.2


def test_stereo_survives_mono(tune):
    middle, side = tune.mean(axis=1), (tune[:, 0] - tune[:, 1]) / 2
    assert -18 < 20 * np.log10(side.std() / middle.std()) < -6
    sos = signal.butter(4, 80, "lowpass", fs=demo.SAMPLE_RATE, output="sos")
    assert signal.sosfilt(sos, side).std() < 0.05 * signal.sosfilt(sos, middle).std()


@pytest.mark.parametrize("first, last", [(0, 4), (4, 7), (12, 15)])
def test_kicks_fall_on_the_beat(tune, first, last):
    """Low onsets, folded over one beat, peak on the beat and nowhere else."""
    sos = signal.butter(2, (60, 160), "bandpass", fs=demo.SAMPLE_RATE, output="sos")
    frame = round(0.01 * demo.SAMPLE_RATE)
    low = signal.sosfilt(sos, bars(tune, first, last)) ** 2
    energy = low[: len(low) // frame * frame].reshape(-1, frame).mean(axis=1)
    rise = np.diff(energy, prepend=0).clip(0)
    phase = np.arange(len(rise)) * frame / demo.SAMPLE_RATE / BEAT % 1
    profile, _ = np.histogram(phase, bins=16, range=(0, 1), weights=rise)
    assert profile.argmax() == 0
    assert profile[0] > 3 * profile[2:15].max()


def test_break_drops_the_low_end(tune):
    around = min(low_band_db(bars(tune, first, last)) for first, last in [(4, 7), (12, 15)])
    assert low_band_db(bars(tune, 8.25, 12)) < around - 15


def test_drop_is_the_loudest_section(tune):
    intro, groove, rest, drop = (bars(tune, first, first + 4).std() for first in (0, 4, 8, 12))
    assert drop > groove > max(intro, rest)


@pytest.mark.parametrize("bar", range(8, 11))
def test_break_chords_are_in_tune(tune, bar):
    """Each voice of the pad has its energy within 5 cents of equal temperament."""
    mono = bars(tune, bar + 0.1, bar + 1)
    mono = mono * np.hanning(len(mono))
    size = 2**19
    spectrum = np.abs(np.fft.rfft(mono, size)) ** 2
    frequencies = np.fft.rfftfreq(size, 1 / demo.SAMPLE_RATE)
    for note in demo.chord_at(16 * bar)[1]:
        near = np.abs(frequencies / demo.hz(note) - 1) < 2 ** (40 / 1200) - 1
        centre = (frequencies[near] * spectrum[near]).sum() / spectrum[near].sum()
        assert abs(1200 * np.log2(centre / demo.hz(note))) < 5


def test_melody_reads_names_and_lengths():
    assert list(demo.melody("A4 3 Bb5 5", 1)) == [(16, 69, 3), (19, 82, 5)]


def test_lead_follows_the_written_melody():
    notes = list(demo.melody(demo.LEAD_LINE, demo.LEAD_BAR))
    sound = demo.lead(notes).mean(axis=1)
    for step, note, length in notes:
        start = round((demo.when(step) - demo.when(notes[0][0])) * demo.SAMPLE_RATE)
        piece = sound[start + 1500 : start + round(length * demo.STEP * demo.SAMPLE_RATE) - 600]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 2**17))
        peak = spectrum[:4000].argmax() * demo.SAMPLE_RATE / 2**17
        assert abs(12 * np.log2(peak / demo.hz(note))) < 0.3


def test_lines_fill_whole_bars_and_rows_cover_the_tune():
    assert sum(length for *_, length in demo.melody(demo.BELL_LINE, 0)) == 64
    for row, patterns in score.SCORE.values():
        letters = row.replace(" ", "")
        assert len(letters) == len(demo.HARMONY)
        assert set(letters) - {"."} == set(patterns)
        assert all(len(pattern) in (1, 16, 32) for pattern in patterns.values())
