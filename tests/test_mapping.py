"""The mapping: similar sounds call up similar pictures."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from visualizer.audio.codebook import Codebook
from visualizer.common import assets
from visualizer.latent import mapping
from visualizer.latent.bank import Bank

BANK = Bank.load(assets.model("bank.safetensors"))
CODEBOOK = Codebook.load(assets.model("codebook.safetensors"))
CENTROIDS = CODEBOOK.centroids
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
    bank = replace(bank, looks=looks)
    index = chosen(mapping.similar(bank, CENTROIDS, 0))
    assert spearmanr(pdist(CENTROIDS), pdist(looks[index])).statistic > 0.8


def test_what_follows_is_near():
    """The mean jump to the next picture, over the mean distance of all, is less with transitions known."""
    apart = squareform(pdist(BANK.looks))
    share = CODEBOOK.transitions / CODEBOOK.transitions.sum()

    def jump(index):
        between = apart[np.ix_(index, index)]
        return (between * share).sum() / between[np.triu_indices(100, 1)].mean()

    aware = [chosen(mapping.similar(BANK, CENTROIDS, s, CODEBOOK.transitions)) for s in range(3)]
    unaware = [chosen(mapping.similar(BANK, CENTROIDS, s)) for s in range(3)]
    assert np.mean([jump(i) for i in aware]) < np.mean([jump(i) for i in unaware]) - 0.01
    assert min(agreement(i) for i in aware) >= 0.6


def test_it_is_worked_out_between_two_frames_or_a_few():
    """On a thread beside a window: long searches would make frames late."""
    took = []
    for seed in range(3):
        begun = time.thread_time()
        mapping.similar(BANK, CENTROIDS, seed, CODEBOOK.transitions)
        took.append(time.thread_time() - begun)
    assert min(took) < 0.25
