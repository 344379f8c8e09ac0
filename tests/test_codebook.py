"""The codebook against scikit-learn."""

import timeit
import tracemalloc

import numpy as np
import pytest
from conftest import SR, write_sound
from sklearn.cluster import KMeans

from visualizer.audio import fitting
from visualizer.audio.codebook import N_CLUSTERS, SILENCE, Codebook, usage
from visualizer.audio.demo_tune import demo_tune
from visualizer.audio.listener import Listener
from visualizer.audio.song import Song, mono
from visualizer.audio.spectrum import Spectrum, SpectrumSettings
from visualizer.common import assets
from visualizer.common.errors import UserError

SETTINGS = SpectrumSettings()


@pytest.fixture(scope="module")
def windows():
    spectrum = Spectrum(SETTINGS)
    return np.array([w.bands.copy() for w in spectrum.push(mono(demo_tune())) if not w.silent])


@pytest.fixture(scope="module")
def shipped():
    return Codebook.load(assets.model("codebook.safetensors"))


def test_predict_agrees_with_scikit_learn_on_every_window(windows, shipped):
    judge = KMeans(len(shipped), init=shipped.centroids, n_init=1, max_iter=1).fit(shipped.centroids)
    judge.cluster_centers_ = shipped.centroids
    expected = judge.predict(windows)
    assert [shipped.predict(w) for w in windows] == expected.tolist()


def test_fit_is_scikit_learns(windows):
    codebook = Codebook.fit([windows], SETTINGS, n_clusters=20, seed=3)
    labels = np.array([codebook.predict(w) for w in windows])
    inertia = sum(np.sum((windows[labels == k] - c) ** 2) for k, c in enumerate(codebook.centroids))
    reference = KMeans(20, n_init=1, random_state=0).fit(windows)
    assert inertia < 1.05 * reference.inertia_


def test_the_shipped_codebook_names_music_it_never_heard(shipped):
    """The demo tune was not among the songs it was fitted on."""
    listener = Listener(shipped)
    clusters = np.array([e.cluster for e in listener.push(mono(demo_tune())[: 25 * SETTINGS.sr])])
    used, perplexity = usage(clusters, len(shipped))
    assert len(shipped) == N_CLUSTERS
    assert used >= 50 and perplexity >= 25


def test_predict_allocates_nothing_and_takes_microseconds(windows, shipped):
    shipped.predict(windows[0])
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for w in windows[:200]:
        shipped.predict(w)
    grown = sum(
        s.size_diff
        for s in tracemalloc.take_snapshot().compare_to(before, "filename")
        if "codebook" in str(s.traceback)
    )
    tracemalloc.stop()
    assert grown < 500
    window = windows[0]
    assert min(timeit.repeat(lambda: shipped.predict(window), number=1000, repeat=5)) / 1000 < 200e-6


def test_save_and_load(tmp_path, windows):
    codebook = Codebook.fit([windows], SETTINGS, ["a.ogg"], n_clusters=10)
    codebook.save(tmp_path / "c.safetensors")
    loaded = Codebook.load(tmp_path / "c.safetensors")
    np.testing.assert_allclose(loaded.centroids, codebook.centroids, rtol=1e-6)
    assert loaded.settings == SETTINGS and loaded.songs == ("a.ogg",)
    assert (loaded.transitions == codebook.transitions).all()


def test_what_follows_what_is_counted():
    """Three sounds in a known order; one that lasts does not follow itself, and pieces are not joined."""
    codebook = Codebook(np.eye(3), SETTINGS)
    a, b, c = np.eye(3)
    counts = codebook.count_transitions([np.array([a, a, b, a, a, b, c]), np.array([c, c, c])])
    expected = np.zeros((3, 3))
    expected[0, 1], expected[1, 0], expected[1, 2] = 2, 1, 1
    np.testing.assert_allclose(counts / counts.sum(), expected / 4, atol=1e-6)


def test_the_shipped_codebook_knows_what_follows(shipped, windows):
    """In a tune that wasn't counted, what happens most was also counted more often than chance has it."""
    counted = shipped.transitions / shipped.transitions.sum()
    heard = shipped.count_transitions([windows])
    assert (counted.diagonal() == 0).all()
    assert (counted * heard / heard.sum()).sum() > 1.5 / (100 * 99)


def test_silence_has_its_own_name(shipped):
    assert {e.cluster for e in Listener(shipped).push(np.zeros(20000))} == {SILENCE}


def test_too_little_sound_is_an_error(windows):
    with pytest.raises(UserError, match="add more songs"):
        Codebook.fit([windows[:100]], SETTINGS)


def test_usage_is_perplexity():
    assert usage(np.repeat(np.arange(10), 5)) == (10, pytest.approx(10))
    assert usage(np.array([SILENCE, 4, 4]))[0] == 1


def test_long_pieces_are_thinned_in_runs(tmp_path, monkeypatch):
    song = write_sound(
        tmp_path / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal((20 * SR, 1)), SR
    )
    whole = fitting.windows_of(Song(song), SETTINGS)
    monkeypatch.setattr(fitting, "MOST_WINDOWS", 400)
    monkeypatch.setattr(fitting, "RUN", 50)
    thinned = fitting.windows_of(Song(song), SETTINGS)
    assert 200 <= len(thinned) < 400 < len(whole)
    places = np.array([np.flatnonzero((whole == window).all(1))[0] for window in thinned])
    assert np.sum(np.diff(places) != 1) <= len(thinned) / 50 and places[-1] > 0.8 * len(whole)
