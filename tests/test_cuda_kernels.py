"""The arithmetic of the generator for cards, on the processor: phases, modulation and bias in their places.

The kernels themselves are tried in test_cuda.py, where there is a card.
"""

import pytest
import torch
import torch.nn.functional as F

from visualizer.common import assets
from visualizer.latent.bank import Bank
from visualizer.neural import cuda_generator
from visualizer.neural.cuda_generator import CudaGenerator, phases
from visualizer.neural.cuda_kernels import NoKernels
from visualizer.neural.generator import Generator, without_mesh

CPU = torch.device("cpu")


class PlainKernels:
    """What kernels.cu does, in torch."""

    def __init__(self, device):
        pass

    def modulate(self, made, bias, scale, shift):
        channels, (height, width) = len(bias), (side - 1 for side in made.shape[2:])
        out = made.new_empty(len(made), channels, 2 * height, 2 * width)
        for a in (0, 1):
            for b in (0, 1):
                phase = made[:, (2 * a + b) * channels :][:, :channels, a : a + height, b : b + width]
                lit = F.leaky_relu(phase + bias[:, None, None], 0.2)
                out[:, :, a::2, b::2] = lit * scale[:, :, None, None] + shift[:, :, None, None]
        return out

    def rectify(self, values, bias, before=None):
        lit = F.leaky_relu(values + bias[:, None, None], 0.2)
        values.copy_(lit if before is None else lit + before)

    def shuffle(self, subpixels, bias, out):
        pictures = torch.sigmoid(without_mesh(F.pixel_shuffle(subpixels + bias[:, None, None], 2)).float())
        out.copy_(pictures.permute(0, 2, 3, 1).mul(255).add(0.5))


def test_four_phases_are_a_transposed_convolution():
    x, weight = torch.randn(2, 3, 7, 5), torch.randn(3, 8, 4, 4)
    made = F.conv2d(x, phases(weight), padding=1)
    expected = F.conv_transpose2d(x, weight, stride=2, padding=1)
    for a in (0, 1):
        for b in (0, 1):
            phase = made[:, (2 * a + b) * 8 :][:, :8, a : a + 7, b : b + 5]
            torch.testing.assert_close(phase, expected[:, :, a::2, b::2], atol=1e-4, rtol=1e-4)


def test_the_generator_for_cards_draws_the_same_pictures(monkeypatch):
    monkeypatch.setattr(cuda_generator, "Kernels", PlainKernels)
    generator = Generator.load(assets.model("generator.safetensors"))
    shape, matter = torch.from_numpy(Bank.load(assets.model("bank.safetensors")).codes[:4]).split(2)
    with torch.no_grad():
        plain = generator(shape, matter).permute(0, 2, 3, 1) * 255
        pictures = torch.empty(plain.shape, dtype=torch.uint8)
        CudaGenerator(generator, CPU)(shape, matter, pictures)
    assert (pictures.float() - plain).abs().mean() < 0.5


def test_odd_channels_are_left_to_torch():
    with pytest.raises(NoKernels, match="multiples"):
        CudaGenerator(Generator((96, 64, 48, 32, 12), 1), CPU)
