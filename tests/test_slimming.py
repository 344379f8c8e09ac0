"""Slimming a generator: what matters stays, and the slim one learns to draw the large one's pictures."""

import pytest
import slim_generator
import torch

from visualizer.common import assets, weights
from visualizer.latent.bank import Bank
from visualizer.neural.generator import CHANNELS, REFINED, Generator

THIN = (96, 96, 64, 32, 16)


@pytest.fixture(scope="module")
def large():
    return Generator.load(assets.model("generator.safetensors"))


@pytest.fixture(scope="module")
def codes():
    return torch.from_numpy(Bank.load(assets.model("bank.safetensors")).codes[:16])


def distance(one, other, codes):
    with torch.no_grad():
        return float((one(codes) - other(codes)).abs().mean() * 255)


def test_with_all_channels_the_pictures_stay(large, codes):
    assert distance(slim_generator.slimmer(large, CHANNELS, REFINED, codes), large, codes) < 0.01


def test_the_channels_that_matter_stay(large, codes):
    """Those that the next layer hardly reads can be told from the others, wherever they are."""
    dulled = slim_generator.slimmer(large, CHANNELS, REFINED, codes)
    unread = torch.arange(0, CHANNELS[-1], 2)
    with torch.no_grad():
        dulled.to_rgb.weight[:, unread] *= 1e-4
        dulled.blocks[-1].conv2.weight[:, unread] *= 1e-4
    channels = (*CHANNELS[:-1], CHANNELS[-1] - len(unread))
    assert distance(slim_generator.slimmer(dulled, channels, REFINED, codes), dulled, codes) < 0.5


def test_it_comes_nearer_and_its_file_is_a_generator(large, codes, tmp_path):
    class Supply:
        device = torch.device("cpu")

        def shape_and_matter(self, n):
            return codes[torch.randperm(len(codes))[:n]], codes[torch.randperm(len(codes))[:n]]

    slim = slim_generator.slimmer(large, THIN, 1, codes)
    before = distance(slim, large, codes)
    for step, _ in enumerate(slim_generator.learn(slim, large, Supply(), 8, minutes=60, rate=3e-3)):
        if step == 30:
            break
    after = distance(slim, large, codes)
    assert after < 0.7 * before
    path = tmp_path / "slim.safetensors"
    weights.save(path, "generator", {f"generator.{k}": t for k, t in slim.state_dict().items()})
    loaded = Generator.load(path)
    assert (loaded.channels, loaded.refined) == (THIN, 1)
    assert distance(loaded, slim, codes) < 0.5
