"""SqueezeNet sees what the authors' own files see when ncnn runs them."""

import numpy as np
import pytest
import torch

from visualizer.common import assets
from visualizer.learning.squeezenet import SqueezeNet

# What ncnn 1.0.20261020 has of `picture`, in float32: means of four channels of conv1, fire3, fire5, fire9.
MEANS = [
    [10.46, 39.38, 11.97, 6.03],
    [11.08, 61.43, 34.53, 5.07],
    [23.31, 0.0, 3.73, 93.61],
    [1.92, 0.35, 0.0, 0.39],
]
FIRST_FIVE = {530: 22.76, 688: 21.37, 506: 21.34, 885: 20.9, 616: 19.84}


@pytest.fixture(scope="module")
def squeezenet():
    return SqueezeNet.load(assets.model("squeezenet.safetensors"))


@pytest.fixture(scope="module")
def picture():
    """Waves, another for each colour, [1, 3, 227, 227]."""
    y, x = torch.meshgrid(torch.linspace(-3, 3, 227), torch.linspace(-3, 3, 227), indexing="ij")
    waves = [torch.sin(x * x + 2 * y), torch.cos(3 * x - y * y), torch.sin(2 * x * y)]
    return 0.5 + 0.5 * torch.stack(waves)[None]


def test_its_maps_are_those_of_the_network_it_came_from(squeezenet, picture):
    maps = squeezenet.features(picture)
    assert [m.shape[1:] for m in maps] == [(64, 113, 113), (128, 56, 56), (256, 28, 28), (512, 14, 14)]
    means = [m[0, :: m.shape[1] // 4].mean((1, 2)) for m in maps]
    np.testing.assert_allclose(torch.stack(means), MEANS, rtol=5e-3, atol=0.02)  # float16 rounding


def test_it_names_what_the_network_it_came_from_names(squeezenet, picture):
    found = squeezenet(picture)[0].topk(5)
    assert found.indices.tolist() == [*FIRST_FIVE]
    np.testing.assert_allclose(found.values, [*FIRST_FIVE.values()], atol=0.05)


def test_it_computes_in_its_weights_numbers(picture):
    """bfloat16 keeps the first of the five, and gradients reach the picture."""
    net = SqueezeNet.load(assets.model("squeezenet.safetensors")).bfloat16()
    picture = picture.clone().requires_grad_()
    logits = net(picture)
    assert logits.dtype == torch.bfloat16
    assert logits.argmax() == next(iter(FIRST_FIVE))
    logits.float().logsumexp(1).sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().max() > 0
