"""Painters: every way to draw gives the plain network's picture, and the show goes on without the card."""

import numpy as np
import pytest
import torch

from visualizer.common import assets, weights
from visualizer.latent.bank import Bank
from visualizer.neural.generator import Generator, fold_upsampling
from visualizer.neural.inference import TorchPainter, make_painter
from visualizer.neural.precision import fast_dtype
from visualizer.neural.steadfast import SteadfastPainter

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def codes():
    return Bank.load(assets.model("bank.safetensors")).codes[:6]


@pytest.fixture(scope="module")
def matter(codes):
    """Of other vectors than the shape."""
    return np.roll(codes, 1, 0)


@pytest.fixture(scope="module")
def plain(generator, codes, matter):
    """[n, h, w, 3] in 0..255, from the network as it was trained."""
    with torch.no_grad():
        return generator(torch.from_numpy(codes), torch.from_numpy(matter)).permute(0, 2, 3, 1).numpy() * 255


def test_upsampling_is_part_of_the_first_convolutions(generator):
    """To the outermost pixel: what each block's first convolution makes of the plain, enlarged input."""
    for block in generator.blocks[:3]:
        small = torch.randn(2, block.conv1.in_channels, 6, 5)
        with torch.no_grad():
            enlarged = torch.nn.functional.interpolate(small, scale_factor=2, mode="nearest")
            expected = torch.nn.functional.conv2d(enlarged, block.conv1.weight, block.conv1.bias, padding=1)
            torch.testing.assert_close(block.conv1(small), expected, rtol=1e-4, atol=1e-4)


def test_folding_changes_nothing(generator, codes, matter, plain):
    folded = fold_upsampling(generator)
    with torch.no_grad():
        pictures = folded(torch.from_numpy(codes), torch.from_numpy(matter)).permute(0, 2, 3, 1).numpy() * 255
    np.testing.assert_allclose(pictures, plain, atol=0.01)


def test_the_chosen_painter_is_faithful(generator, codes, matter, plain):
    """Within 1/255 of the plain network's picture, mean absolute difference."""
    pictures = make_painter(generator, CPU)(codes, matter)
    assert pictures.dtype == np.uint8 and pictures.shape == plain.shape
    assert np.abs(pictures - plain).mean() < 1


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_openvino_draws_the_same_picture(generator, codes, matter, plain, precision):
    if precision == "bf16" and fast_dtype(CPU) != torch.bfloat16:
        pytest.skip("this processor has no bfloat16")
    painter = pytest.importorskip("visualizer.neural.openvino_painter").OpenVinoPainter(generator, precision)
    bound = {"f32": 0.5, "bf16": 1.0}[precision]
    for n in (1, len(codes)):
        assert np.abs(painter(codes[:n], matter[:n]) - plain[:n]).mean() < bound


def test_one_code_is_shape_and_matter_at_once(generator, codes, matter):
    """Drawn from one code or from the same twice, to the bit; other matter is another picture."""
    for painter in (make_painter(generator, CPU), TorchPainter(generator, CPU)):
        pictures = painter(codes)
        assert np.array_equal(painter(codes, codes.copy()), pictures)
        assert np.abs(painter(codes, matter).astype(float) - pictures).mean() > 10


def test_generators_of_other_sizes_are_drawn_too(codes, tmp_path):
    """As earlier versions had them; to the outermost pixel."""
    sizes = (96, 64, 48, 32, 16), 2
    torch.manual_seed(0)
    other = Generator(*sizes).requires_grad_(False)
    other.to_rgb.weight *= 30
    tensors = {f"generator.{k}": t for k, t in other.state_dict().items()}
    weights.save(tmp_path / "other.safetensors", "generator", tensors)
    generator = Generator.load(tmp_path / "other.safetensors")
    assert (generator.channels, generator.refined) == sizes
    painted = TorchPainter(generator, CPU, torch.float32)(codes)
    assert painted.std() > 20
    exact = pytest.importorskip("visualizer.neural.openvino_painter").OpenVinoPainter(generator, "f32")
    assert np.abs(exact(codes).astype(int) - painted).max() <= 1


def test_pictures_stay_when_the_next_ones_are_painted(generator, codes):
    painter = make_painter(generator, CPU)
    first = painter(codes[:1])
    before = first.copy()
    painter(codes[1:2])
    assert np.array_equal(first, before)


@pytest.mark.parametrize("failure", [torch.cuda.OutOfMemoryError, RuntimeError])
def test_the_show_goes_on_without_the_card(generator, codes, failure):
    calls = []

    def failing(codes, matter):
        calls.append(len(codes))
        if len(calls) > 1:
            raise failure("CUDA error")
        return np.zeros((len(codes), 256, 256, 3), np.uint8)

    told = []
    painter = SteadfastPainter(failing, lambda: TorchPainter(generator, CPU), told.append)
    assert painter(codes[:1], codes[1:2]).max() == 0
    expected = TorchPainter(generator, CPU)(codes[:1], codes[1:2])
    for _ in range(2):
        assert np.array_equal(painter(codes[:1], codes[1:2]), expected)
    assert len(calls) == 2 and len(told) == 1 and "graphics card" in told[0]
