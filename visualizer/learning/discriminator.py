"""The discriminators: small networks that look through the eyes.

Projected GAN (Sauer et al. 2021, arXiv:2111.01007): instead of the picture they see the feature maps of
frozen networks, one head for each network and depth, and learn far faster for it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

# Of each judged map (`eyes.JUDGED`): hidden channels, and how often its head halves it.
_CLASSIFIERS = ((128, 2), (128, 1), (128, 0), (128, 0))
HEADS = (*_CLASSIFIERS, (64, 2), (128, 1), (128, 0), *_CLASSIFIERS)


class Head(nn.Module):
    """A map of logits from one feature map; strided where the map is large."""

    scale: torch.Tensor

    def __init__(self, scale: torch.Tensor, hidden: int, downsamplings: int):
        """scale: [channels], what features are divided by."""
        super().__init__()
        # Raw feature channels differ by orders of magnitude; unscaled, the heads win at once.
        self.register_buffer("scale", scale[:, None, None])
        layers: list[nn.Module] = []
        channels = len(scale)
        for i in range(downsamplings + 1):
            stride = 2 if i < downsamplings else 1
            layers += [
                spectral_norm(nn.Conv2d(channels, hidden, 3, stride, padding=1)),
                nn.LeakyReLU(0.2),
            ]
            channels = hidden
        layers.append(spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features.float() / self.scale)


class Discriminator(nn.Module):
    """Real-or-made logits [n, k] from the judged feature maps of n pictures."""

    def __init__(self, channel_std: list[torch.Tensor]):
        """channel_std: each judged map's standard deviation by channel, over real photos."""
        super().__init__()
        self.heads = nn.ModuleList(
            # What hardly ever moves in these photos is not made loud for it.
            Head(3 * (std + 0.1 * std.mean()), hidden, downsamplings)
            for std, (hidden, downsamplings) in zip(channel_std, HEADS, strict=True)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat([h(f).flatten(1) for h, f in zip(self.heads, features)], dim=1)


def hinge_real(logits: torch.Tensor) -> torch.Tensor:
    """The discriminator's hinge loss on photos."""
    return torch.relu(1 - logits).mean()


def hinge_made(logits: torch.Tensor) -> torch.Tensor:
    """The discriminator's hinge loss on generated pictures."""
    return torch.relu(1 + logits).mean()
