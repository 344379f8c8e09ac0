"""The mapping: similar sounds call up similar pictures."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from visualizer import assets
from visualizer.audio.codebook import Codebook
from visualizer.latent import mapping
from visualizer.latent.bank import Bank

BANK = Bank.load(assets.model("bank.safetensors"))
CENTROIDS = Codebook.load(assets.model("codebook.safetensors")).centroids
NUMBER = {code.tobytes(): i for i, code in enumerate(BANK.codes)}


def chosen(codes):
    return [NUMBER[code.astype(np.float32).tobytes()] for code in codes]


def agreement(index):
    """Rank correlation of the distances between sounds and those between their pictures."""
    return spearmanr(pdist(CENTROIDS), pdist(BANK.looks[index])).statistic


def test_distances_agree_and_random_ones_do_not():
    assert agreement(chosen(mapping.similar(BANK, CENTROIDS, 0))) >= 0.6
    assert abs(agreement(chosen(mapping.random(BANK, 100, 0)))) < 0.15


@pytest.mark.parametrize("deal", [mapping.similar, lambda b, c, s: mapping.random(b, len(c), s)])
def test_no_vector_twice_and_the_seed_decides(deal):
    first, again, other = (chosen(deal(BANK, CENTROIDS, seed)) for seed in (0, 0, 1))
    assert len(set(first)) == 100
    assert first == again != other


@pytest.mark.parametrize("deal", [mapping.similar, lambda b, c, s: mapping.random(b, len(c), s)])
def test_a_small_bank_is_used_several_times(deal):
    few = BANK.take(np.arange(30))
    counts = np.unique(
        [NUMBER[z.astype(np.float32).tobytes()] for z in deal(few, CENTROIDS, 0)], return_counts=True
    )
    assert len(counts[0]) >= 25 and counts[1].max() <= 4


def test_a_rotated_copy_of_the_sounds_is_found():
    """Pictures that lie just as the sounds do can be matched almost perfectly."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((64, 64)))[0]
    order = rng.permutation(100)
    looks = (CENTROIDS @ rotation)[order].astype(np.float32)
    bank = BANK.take(np.arange(100))
    bank = Bank(bank.codes, bank.classes, bank.labels, bank.probability, bank.steps, looks)
    index = chosen(mapping.similar(bank, CENTROIDS, 0))
    assert spearmanr(pdist(CENTROIDS), pdist(looks[index])).statistic > 0.8
