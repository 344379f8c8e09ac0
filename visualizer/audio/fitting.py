"""Fitting a codebook on songs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visualizer.audio.codebook import Codebook
from visualizer.audio.mixing import Mixer
from visualizer.audio.song import Song
from visualizer.audio.spectrum import Spectrum, SpectrumSettings
from visualizer.common.progress import bar

# The first moments of a piece, in which the spectrum still gets to know it.
WARM_UP_S = 2.0
# The most windows kept of one piece, evenly spread: memory does not grow with its length. They are kept
# in runs, because the codebook also learns what follows what.
MOST_WINDOWS, RUN = 24_000, 200


def windows_of(song: Song, settings: SpectrumSettings) -> np.ndarray:
    """[n, n_bands] float32: windows of the song that are not silent, in order. Raises UserError."""
    spectrum, mixer = Spectrum(settings), Mixer(settings.sr)
    kept: list[np.ndarray] = []
    stride = 1  # of every so many runs one is kept
    number = -round(WARM_UP_S / settings.hop_s)
    for block in song:
        for window in spectrum.push(mixer.push(block)):
            if window.silent:
                continue
            if number >= 0 and number // RUN % stride == 0:
                kept.append(window.bands.astype(np.float32))
                if len(kept) >= MOST_WINDOWS:
                    kept = [window for i, window in enumerate(kept) if i // RUN % 2 == 0]
                    stride *= 2
            number += 1
    return np.array(kept, np.float32).reshape(-1, settings.n_bands)


def fit(paths: Sequence[Path | str], seed: int = 0, progress: bool = True) -> tuple[Codebook, str]:
    """A codebook of these songs, and a clause that says how much sound it heard.

    Raises UserError if a song can't be read or there is too little sound.
    """
    settings = SpectrumSettings()
    songs = [Song(path) for path in paths]
    with bar(len(songs), "listening", "song", progress) as progress_bar:
        pieces = []
        for song in songs:
            pieces.append(windows_of(song, settings))
            progress_bar.update()
    codebook = Codebook.fit(pieces, settings, [os.path.basename(song.name) for song in songs], seed=seed)
    return codebook, f"{sum(map(len, pieces))} windows"
