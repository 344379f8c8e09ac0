"""The mapping: which vector each cluster calls up."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from visualizer.latent.bank import Bank

RESTARTS = 2
MAX_SWEEPS = 60


def random(bank: Bank, n_clusters: int, seed: int) -> np.ndarray:
    """[n_clusters, d]: vectors drawn at random, none twice unless the bank is too small."""
    rng = np.random.default_rng(seed)
    rounds = -(-n_clusters // len(bank))
    index = np.concatenate([rng.permutation(len(bank)) for _ in range(rounds)])[:n_clusters]
    return bank.codes[index]


def similar(bank: Bank, centroids: np.ndarray, seed: int) -> np.ndarray:
    """[n_clusters, d]: similar sounds call up similar pictures.

    centroids: [n_clusters, n_bands] of the codebook. A quadratic assignment by local search (Koopmans
    & Beckmann 1957): each cluster in turn takes a free vector or swaps with another, whichever brings
    the distances between pictures nearest to those between sounds, until none can do better. Distances
    are compared by rank, so that both fill their whole range. The best of a few starts is kept.

    A bank of fewer vectors than clusters is used several times over.
    """
    rounds = -(-len(centroids) // len(bank))
    looks = np.tile(bank.looks, (rounds, 1))
    codes = np.tile(bank.codes, (rounds, 1))
    sounds, pictures = _ranked_distances(centroids), _ranked_distances(looks)
    rng = np.random.default_rng(seed)
    starts = [rng.permutation(len(codes))[: len(centroids)] for _ in range(RESTARTS)]
    searched = [_search(sounds, pictures, start, rng) for start in starts]
    return codes[min(searched, key=lambda chosen: _misfit(sounds, pictures, chosen))]


def _ranked_distances(points: np.ndarray) -> np.ndarray:
    """[n, n] Euclidean distances between rows [n, k], replaced by their rank in 0..1."""
    distances = pdist(points)
    return squareform(rankdata(distances) / len(distances)).astype(np.float32)


def _misfit(sounds: np.ndarray, pictures: np.ndarray, chosen: np.ndarray) -> float:
    return float(np.square(sounds - pictures[np.ix_(chosen, chosen)]).sum())


def _search(
    sounds: np.ndarray, pictures: np.ndarray, start: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """[n_clusters] vector numbers, none twice: move one or swap two until no single change helps."""
    chosen = start.copy()
    n = len(chosen)
    for _ in range(MAX_SWEEPS):
        changed = False
        for i in rng.permutation(n):
            here = pictures[np.ix_(chosen, chosen)]
            others = np.arange(n) != i
            cost = np.square(pictures[:, chosen[others]] - sounds[i, others]).sum(1)
            present = cost[chosen[i]]
            cost[chosen] = np.inf
            free = cost.argmin()
            # A swap with j changes both rows; the pair's own distance stays.
            mine, theirs = np.square(sounds[i] - here), np.square(sounds - here[i])
            swap = mine.sum(1) - mine[:, i] - np.diag(mine) + theirs.sum(1) - theirs[:, i] - np.diag(theirs)
            rows = np.square(sounds - here)
            swap -= rows[i].sum() + rows.sum(1) - 2 * rows[i]
            swap[i] = 0.0
            j = swap.argmin()
            if min(cost[free] - present, swap[j]) > -1e-6:
                continue
            if cost[free] - present < swap[j]:
                chosen[i] = free
            else:
                chosen[[i, j]] = chosen[[j, i]]
            changed = True
        if not changed:
            break
    return chosen
