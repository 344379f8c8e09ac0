"""The mapping: which vector each cluster calls up."""

from __future__ import annotations

import numpy as np

from visualizer.latent.bank import Bank


def random(bank: Bank, n_clusters: int, seed: int) -> np.ndarray:
    """[n_clusters, d]: vectors drawn at random, none twice unless the bank is too small."""
    rng = np.random.default_rng(seed)
    rounds = -(-n_clusters // len(bank))
    index = np.concatenate([rng.permutation(len(bank)) for _ in range(rounds)])[:n_clusters]
    return bank.codes[index]
