"""The mapping: which vector each cluster calls up."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Pool(Protocol):
    """What clusters are given: n vectors, and a view of each in which what is alike lies close."""

    @property
    def codes(self) -> np.ndarray: ...

    @property
    def looks(self) -> np.ndarray: ...

    def __len__(self) -> int: ...


# Vectors that a search chooses from: other seeds see others, and it stays quick.
CANDIDATES = 400
MAX_SWEEPS = 30
# How much nearer than they sound those shall be that follow each other as often as any two on average.
FOLLOWING = 0.1


def random(bank: Pool, n_clusters: int, seed: int) -> np.ndarray:
    """[n_clusters, d]: vectors drawn at random, none twice unless the bank is too small."""
    rng = np.random.default_rng(seed)
    rounds = -(-n_clusters // len(bank))
    index = np.concatenate([rng.permutation(len(bank)) for _ in range(rounds)])[:n_clusters]
    return bank.codes[index]


def similar(
    bank: Pool, centroids: np.ndarray, seed: int, transitions: np.ndarray | None = None
) -> np.ndarray:
    """[n_clusters, d]: similar sounds, and such as follow each other, call up similar pictures.

    centroids: [n_clusters, n_bands] of the codebook. transitions: [n_clusters, n_clusters], how often one
    cluster follows another in music, or None.

    A quadratic assignment (Koopmans & Beckmann 1957): the distances between pictures shall be those
    between sounds, both by rank so that they fill their whole range. Local search from a random start:
    each cluster in turn moves to a free vector or swaps with another, whichever helps most, until none can.
    A bank of fewer vectors than clusters is used several times over. Takes some hundredths of a second.
    """
    n = len(centroids)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(bank))[: max(n, CANDIDATES)]
    candidates = np.tile(chosen, -(-n // len(chosen)))
    sounds = _between_sounds(centroids, transitions)
    pictures = _by_rank(_distances(bank.looks[candidates]))
    return bank.codes[candidates[_search(sounds, pictures, rng)]]


def _distances(points: np.ndarray) -> np.ndarray:
    """[n, n] squared Euclidean distances between rows [n, k]."""
    points = np.asarray(points, np.float32)
    squares = np.square(points).sum(1)
    return np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)


def _by_rank(distances: np.ndarray) -> np.ndarray:
    """[n, n] symmetric distances replaced by their rank, 0..1."""
    above = np.triu_indices(len(distances), 1)
    order = np.argsort(distances[above], kind="stable")
    ranks = np.empty(len(order), np.float32)  # scipy.stats takes half a second to load
    ranks[order] = np.arange(1, len(order) + 1) / len(order)
    ranked = np.zeros_like(distances, np.float32)
    ranked[above] = ranks
    return ranked + ranked.T


def _between_sounds(centroids: np.ndarray, transitions: np.ndarray | None) -> np.ndarray:
    """[n, n] ranked distances between sounds, less a share of how often they follow each other.

    Less by w, the misfit (sound - w - picture)² is, but for constants, (sound - picture)² + 2 w picture:
    the search also shortens the jumps, each counted as often as it happens.
    """
    apart = _by_rank(_distances(centroids))
    if transitions is None or not transitions.any():
        return apart
    both = (transitions + transitions.T) / (2 * transitions.sum())
    return apart - (FOLLOWING * both.size * both).astype(np.float32)


def _search(sounds: np.ndarray, pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[n] vector numbers, none twice, such that pictures[chosen][:, chosen] resembles sounds [n, n].

    The misfit is the sum of (sounds - pictures)². Two sums are kept up to date, so that a cluster's best
    change costs no more than looking at each once: squares[v] of pictures[v, chosen]², and
    products[i, v] of sounds[i] · pictures[v, chosen].
    """
    n = len(sounds)
    chosen = rng.permutation(len(pictures))[:n]
    here = pictures[chosen]
    squares, products = np.square(here).sum(0), sounds @ here
    taken = np.zeros(len(pictures), np.float32)
    taken[chosen] = np.inf
    everyone = np.arange(n)

    def place(i: int, vector: int) -> None:
        step = pictures[vector] - pictures[chosen[i]]
        np.add(squares, np.square(pictures[vector]) - np.square(pictures[chosen[i]]), out=squares)
        np.add(products, sounds[:, i, None] * step, out=products)
        chosen[i] = vector

    for _ in range(MAX_SWEEPS):
        changed = False
        for i in rng.permutation(n):
            mine = products[i]
            cost = squares - np.square(pictures[chosen[i]]) - 2 * mine
            present = cost[chosen[i]]
            cost += taken
            free = int(cost.argmin())
            # Of a swap the squares cancel out; the pair's own distance stays and is taken out again.
            pair = sounds[i] * pictures[chosen[i], chosen]
            own = products[everyone, chosen]
            swap = 2 * (own[i] + own - mine[chosen] - products[:, chosen[i]] - 2 * pair)
            swap[i] = 0.0
            j = int(swap.argmin())
            if min(cost[free] - present, swap[j]) > -1e-4:
                continue
            if cost[free] - present < swap[j]:
                taken[chosen[i]], taken[free] = 0.0, np.inf
                place(i, free)
            else:
                mine_now, theirs = chosen[i], chosen[j]
                place(i, theirs)
                place(j, mine_now)
            changed = True
        if not changed:
            break
    return chosen
