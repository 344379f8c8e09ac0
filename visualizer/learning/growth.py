"""What a generator is before its first step: scaled filters, or a smaller one's pictures in a larger one."""

from __future__ import annotations

import torch
from torch import nn

from visualizer.neural.generator import Generator, UpBlock

MODULATION_STD = 0.02


@torch.no_grad()
def calibrate(generator: Generator, codes: torch.Tensor) -> None:
    """Scale each filter such that what it makes of codes [n, 4096] has mean 0 and standard deviation 1.

    Takes the place of normalisation: layer by layer on real inputs (LSUV, Mishkin & Matas 2016,
    arXiv:1511.06422).
    """

    def scale(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        assert isinstance(module, nn.Conv2d) and module.bias is not None
        mean, std = output.mean((0, 2, 3)), output.std((0, 2, 3)) + 1e-6
        module.weight.div_(std[:, None, None, None])
        module.bias.sub_(mean).div_(std)
        return (output - mean[:, None, None]) / std[:, None, None]

    convs = [m for b in generator.blocks for m in b.modules() if isinstance(m, nn.Conv2d)]
    hooks = [conv.register_forward_hook(scale) for conv in convs]
    generator(codes)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def widened(small: Generator, channels: tuple[int, ...], refined: int) -> Generator:
    """A larger generator that draws the same pictures (Net2Net: Chen et al. 2016, arXiv:1511.05641).

    The old channels lead; what is new has no effect yet, and learns. channels, refined: as in `Generator`,
    no block with fewer channels than it has in the small one.
    """
    large = Generator(channels, refined)
    large.style.load_state_dict(small.style.state_dict())
    for new, old in zip(large.blocks, small.blocks, strict=True):
        assert isinstance(new, UpBlock) and isinstance(old, UpBlock)
        nn.init.normal_(new.modulate.weight, std=MODULATION_STD)
        nn.init.zeros_(new.modulate.bias)
        for to, of in zip(new.modulate.weight.chunk(2), old.modulate.weight.chunk(2)):
            to[: len(of)] = of
        for to, of in zip(new.modulate.bias.chunk(2), old.modulate.bias.chunk(2)):
            to[: len(of)] = of
        _widen(new.conv1, old.conv1)
        _widen(new.conv2, old.conv2)
        if new.refined:
            if old.refined:
                _widen(new.conv3, old.conv3)
            else:
                nn.init.zeros_(new.conv3.weight)
                assert new.conv3.bias is not None
                nn.init.zeros_(new.conv3.bias)
    _widen(large.to_rgb, small.to_rgb)
    return large


def _widen(new: nn.Module, old: nn.Module) -> None:
    assert isinstance(new, nn.Conv2d) and isinstance(old, nn.Conv2d)
    assert new.bias is not None and old.bias is not None
    outputs, inputs = old.weight.shape[:2]
    # As large as the old ones: what is modulated is far from having a standard deviation of 1.
    nn.init.normal_(new.weight, std=float(old.weight.square().mean().sqrt()))
    nn.init.zeros_(new.bias)
    new.weight[:, inputs:] = 0
    new.weight[:outputs, :inputs] = old.weight
    new.bias[:outputs] = old.bias
