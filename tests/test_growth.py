"""A generator before its first step: scaled filters, or a smaller one's pictures in a larger one."""

import pytest
import torch

from visualizer.common import assets, weights
from visualizer.learning.growth import calibrate, widened
from visualizer.neural.generator import Generator


def codes(n):
    return torch.randn(n, 4096, generator=torch.Generator().manual_seed(0))


def test_calibrated_filters_answer_with_a_deviation_of_one():
    generator = Generator((16, 16, 8, 8, 8), 2)
    calibrate(generator, codes(4))
    answers = {}
    for i, block in enumerate(generator.blocks):
        for name in ("conv1", "conv2", "conv3"):
            if hasattr(block, name):
                layer = getattr(block, name)
                layer.register_forward_hook(lambda _m, _i, out, key=(i, name): answers.update({key: out}))
    generator(codes(4))
    assert len(answers) == 12
    for answer in answers.values():
        torch.testing.assert_close(answer.mean((0, 2, 3)), torch.zeros(answer.shape[1]), rtol=0, atol=1e-3)
        torch.testing.assert_close(answer.std((0, 2, 3)), torch.ones(answer.shape[1]), rtol=0, atol=1e-3)


def test_a_widened_generator_draws_the_same_and_learns_with_what_is_new():
    small = Generator.load(assets.model("generator.safetensors"))
    wide = tuple(c + 8 for c in small.channels)
    large = widened(small, wide, small.refined + 1)
    shape, matter = codes(4).chunk(2)
    torch.testing.assert_close(large(shape, matter), small(shape, matter), rtol=0, atol=1e-4)
    large(shape, matter).sum().backward()
    new = large.blocks[1].conv1.weight.grad[:, small.channels[0] :]
    assert new.abs().max() > 0


@pytest.mark.parametrize("channels, size", [((16, 16, 8, 8, 8), 256), ((16, 16, 8, 8, 8, 8), 512)])
def test_a_sixth_block_doubles_the_picture(channels, size, tmp_path):
    generator = Generator(channels, 1)
    state = {f"generator.{name}": tensor for name, tensor in generator.state_dict().items()}
    weights.save(tmp_path / "mine.safetensors", "generator", state)
    read = Generator.load(tmp_path / "mine.safetensors")
    assert read.channels == channels and read.picture_size == size
    assert read(codes(1)).shape == (1, 3, size, size)
