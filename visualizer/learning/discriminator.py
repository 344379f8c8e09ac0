"""The discriminators: four small networks that look through the classifier's eyes.

Projected GAN (Sauer et al. 2021, arXiv:2111.01007): instead of the picture they see the frozen
classifier's feature maps, one head for each of four depths, and learn far faster for it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

FEATURE_CHANNELS = (24, 40, 112, 320)
HIDDEN = 128


class Head(nn.Module):
    """A map of logits from one feature map; strided where the map is large."""

    scale: torch.Tensor

    def __init__(self, channels: int, scale: torch.Tensor, downsamplings: int):
        super().__init__()
        # Raw feature channels differ by orders of magnitude; unscaled, the heads win at once.
        self.register_buffer("scale", scale[:, None, None])
        layers: list[nn.Module] = []
        for i in range(downsamplings + 1):
            stride = 2 if i < downsamplings else 1
            layers += [
                spectral_norm(nn.Conv2d(channels, HIDDEN, 3, stride, padding=1)),
                nn.LeakyReLU(0.2),
            ]
            channels = HIDDEN
        layers.append(spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features / self.scale)


class Discriminator(nn.Module):
    """Real-or-made logits [n, k] from the classifier's four feature maps of n pictures."""

    def __init__(self, channel_std: list[torch.Tensor]):
        """channel_std: each feature map's standard deviation by channel, over real photos."""
        super().__init__()
        self.heads = nn.ModuleList(
            Head(channels, 3 * std + 1e-6, downsamplings)
            for channels, std, downsamplings in zip(FEATURE_CHANNELS, channel_std, (2, 1, 0, 0))
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat([h(f).flatten(1) for h, f in zip(self.heads, features)], dim=1)


def hinge_real(logits: torch.Tensor) -> torch.Tensor:
    """The discriminator's hinge loss on photos."""
    return torch.relu(1 - logits).mean()


def hinge_made(logits: torch.Tensor) -> torch.Tensor:
    """The discriminator's hinge loss on generated pictures."""
    return torch.relu(1 + logits).mean()
