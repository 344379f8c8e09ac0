"""The codebook: k-means names every moment of the music with one of 100 clusters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from visualizer.audio.spectrum import SAMPLE_RATE, SpectrumSettings, Window
from visualizer.common import weights
from visualizer.common.errors import UserError

N_CLUSTERS = 100
# The cluster of silence: outside the codebook, because nothing is heard that could be compared.
SILENCE = -1


class Codebook:
    """100 centroids in the space of `Spectrum` bands, and the nearest to a window; one thread at a time."""

    def __init__(
        self,
        centroids: np.ndarray,
        settings: SpectrumSettings,
        songs: Sequence[str] = (),
        transitions: np.ndarray | None = None,
    ):
        """centroids: [n_clusters, n_bands]; settings: the analysis that they were fitted on.

        transitions: [n_clusters, n_clusters] int64, how often a moment of the row's cluster was followed by
        one of the column's in those songs; None if it wasn't counted.
        """
        self.centroids = np.ascontiguousarray(centroids, np.float64)
        self.settings = settings
        self.songs = tuple(songs)
        n = len(self.centroids)
        self.transitions = np.zeros((n, n), np.int64) if transitions is None else transitions
        self._half_norms = 0.5 * np.sum(self.centroids**2, axis=1)
        self._scores = np.empty(len(self.centroids))

    def __len__(self) -> int:
        return len(self.centroids)

    def predict(self, bands: np.ndarray) -> int:
        """The cluster, 0..99, whose centroid is nearest to bands [n_bands] in Euclidean distance.

        |x - c|² is least where c·x - |c|²/2 is greatest. Neither `dot` nor `argmax`: numpy lets go of
        Python's lock for them, see `slices`.
        """
        np.vecdot(self.centroids, bands, out=self._scores)
        self._scores -= self._half_norms
        scores = self._scores.tolist()
        return scores.index(max(scores))

    def predict_all(self, windows: np.ndarray) -> np.ndarray:
        """[n] clusters of windows [n, n_bands], as `predict` names them."""
        return (windows @ self.centroids.T - self._half_norms).argmax(1)

    def count_transitions(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """[n_clusters, n_clusters]: how often one cluster is followed by another within pieces of music.

        pieces: one array [n_windows, n_bands] for each, in order of time. A sound that lasts does not
        follow itself. Every piece weighs alike: the counts are in parts of a million of it.
        """
        n = len(self.centroids)
        total = np.zeros((n, n))
        for piece in pieces:
            clusters = self.predict_all(piece)
            pairs = np.stack([clusters[:-1], clusters[1:]])[:, clusters[:-1] != clusters[1:]]
            counts = np.zeros((n, n))
            np.add.at(counts, tuple(pairs), 1)
            total += counts * (1e6 / max(1, counts.sum()))
        return np.round(total).astype(np.int64)

    def cluster(self, window: Window) -> int:
        """The cluster of an analysed window, or `SILENCE`."""
        return SILENCE if window.silent else self.predict(window.bands)

    @classmethod
    def fit(
        cls,
        pieces: Sequence[np.ndarray],
        settings: SpectrumSettings,
        songs: Sequence[str] = (),
        n_clusters: int = N_CLUSTERS,
        windows_per_piece: int = 4000,
        seed: int = 0,
    ) -> Codebook:
        """k-means (Lloyd 1982, k-means++ seeding) over the windows of several pieces of music.

        pieces: one array [n_windows, n_bands] for each; long ones are thinned so that each piece
        weighs alike. Raises UserError if there are fewer than 10 windows for each cluster.
        """
        from sklearn.cluster import KMeans  # takes a second to load, and only fitting needs it

        rng = np.random.default_rng(seed)
        thinned = [
            p if len(p) <= windows_per_piece else p[rng.permutation(len(p))[:windows_per_piece]]
            for p in pieces
        ]
        windows = np.concatenate(thinned)
        if len(windows) < 10 * n_clusters:
            heard = len(windows) * settings.hop_s
            needed = 10 * n_clusters * settings.hop_s
            raise UserError(
                f"only {heard:.1f} s of sound to fit on, at least {needed:.0f} s are needed; add more songs."
            )

        model = KMeans(n_clusters, n_init=2, random_state=seed).fit(windows)
        codebook = cls(model.cluster_centers_, settings, songs)
        codebook.transitions = codebook.count_transitions(pieces)
        return codebook

    def save(self, path: Path | str) -> None:
        """Write a safetensors file. Raises UserError if it can't be written."""
        metadata = {"settings": json.dumps(asdict(self.settings)), "songs": "\n".join(self.songs)}
        tensors = {
            "centroids": torch.from_numpy(self.centroids).float(),
            "transitions": torch.from_numpy(self.transitions).to(torch.int32),
        }
        weights.save(path, "codebook", tensors, metadata, half=False)

    @classmethod
    def load(cls, path: Path | str) -> Codebook:
        """Read a file written by `save`. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, "codebook")
        try:
            settings = SpectrumSettings(**json.loads(metadata["settings"]))
            centroids, songs = tensors["centroids"].numpy(), metadata["songs"].split("\n")
        except (KeyError, TypeError, ValueError) as error:
            raise weights.damaged(path, "codebook", f"{error} is missing or wrong") from None
        if settings.sr != SAMPLE_RATE:
            raise weights.damaged(path, "codebook", f"it is for {settings.sr} frames a second")
        if centroids.ndim != 2 or not len(centroids) or centroids.shape[1] != settings.n_bands:
            raise weights.damaged(path, "codebook", f"its centroids are not of {settings.n_bands} bands")
        weights.check_numbers(path, "codebook", {"its centroids": centroids})
        transitions = tensors["transitions"].numpy().astype(np.int64) if "transitions" in tensors else None
        if transitions is not None and transitions.shape != 2 * (len(centroids),):
            raise weights.damaged(path, "codebook", f"its transitions are not of {len(centroids)} clusters")
        return cls(centroids, settings, songs, transitions)


def usage(clusters: np.ndarray, n_clusters: int = N_CLUSTERS) -> tuple[int, float]:
    """(clusters used, perplexity of their frequencies) of a sequence of cluster indices."""
    counts = np.bincount(clusters[clusters >= 0], minlength=n_clusters)
    share = counts[counts > 0] / counts.sum()
    return len(share), float(np.exp(-np.sum(share * np.log(share))))
