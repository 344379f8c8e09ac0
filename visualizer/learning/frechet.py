"""Fréchet matching: draw what a network sees in made pictures, all in all, to what it sees in photos.

A loss that compares pictures one by one hardly feels a fault that all of them share, such as being a little
soft, or too much alike. The Fréchet distance of two Gaussians (Dowson & Landau 1982), by which generators are
judged (Heusel et al. 2017, arXiv:1706.08500), does. Here it is a loss: means and covariances run over many
batches, of which one alone would be too noisy, and the gradient of the distance by them flows through the
present one.
"""

from __future__ import annotations

import torch
from torch import nn

from visualizer.learning import distributed

# Of the running numbers, for each batch; photos stay what they are, what is made changes.
REAL_DECAY, MADE_DECAY = 0.998, 0.99
N_AXES = 64
# Before so many batches too little is known of what is made.
BATCHES = 60
# Of the variance, so that no root is taken of nothing.
SMALLEST = 1e-6


class Axes(nn.Module):
    """The principal axes of photos' features, the whole variance along them being 1."""

    centre: torch.Tensor
    axes: torch.Tensor

    def __init__(self, features: torch.Tensor):
        """features: [n, c] of n photos; an axis for every eight of them, but at most 64."""
        super().__init__()
        self.n_axes = min(N_AXES, len(features) // 8, features.shape[1])
        centre = features.float().mean(0)
        _, sizes, axes = torch.linalg.svd(features.float() - centre, full_matrices=False)
        variance = sizes[: self.n_axes].square().sum() / len(features)
        self.register_buffer("centre", centre)
        self.register_buffer("axes", axes[: self.n_axes].T / variance.sqrt())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[n, c] features to [n, n_axes]."""
        with torch.autocast(features.device.type, enabled=False):
            return (features.float() - self.centre) @ self.axes


class Gaussian(nn.Module):
    """The running mean and covariance of rows."""

    count: torch.Tensor
    mean: torch.Tensor
    square: torch.Tensor

    def __init__(self, n: int, decay: float):
        super().__init__()
        self.decay = decay
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("square", torch.zeros(n, n))

    @torch.no_grad()
    def follow(self, rows: torch.Tensor) -> None:
        """Take in a batch [m, n]."""
        mean, square = distributed.average_tensors([rows.mean(0), rows.T @ rows / len(rows)])
        self.count += 1
        weight = max(1 - self.decay, 1 / int(self.count))
        self.mean.lerp_(mean, weight)
        self.square.lerp_(square, weight)

    @property
    def covariance(self) -> torch.Tensor:
        """[n, n], float64."""
        mean = self.mean.double()
        return self.square.double() - torch.outer(mean, mean)


class FrechetMatching(nn.Module):
    """The Fréchet distances of several kinds of made pictures from the same photos, as one eye sees them.

    They are along the photos' axes, and in parts of their variance.
    """

    def __init__(self, features: torch.Tensor, n_kinds: int):
        """features: [n, c] of n photos, whose axes these are."""
        super().__init__()
        self.axes = Axes(features)
        self.real = Gaussian(self.axes.n_axes, REAL_DECAY)
        self.made = nn.ModuleList(Gaussian(self.axes.n_axes, MADE_DECAY) for _ in range(n_kinds))
        self._root: torch.Tensor | None = None

    @torch.no_grad()
    def follow(self, real: torch.Tensor) -> None:
        """Take in a batch of photos' features [m, c]: once for all kinds, before them."""
        with torch.autocast(real.device.type, enabled=False):
            self.real.follow(self.axes(real))
            self.covariance, self._root = self.real.covariance, None

    def forward(self, features: torch.Tensor, kind: int) -> torch.Tensor:
        """The distance of one kind, of which these are a batch [n, c]; 0 while too little is known.

        The value is of the running means and covariances; the gradient flows through this batch.
        """
        with torch.autocast(features.device.type, enabled=False):
            made, gaussian = self.axes(features), self.made[kind]
            assert isinstance(gaussian, Gaussian)
            gaussian.follow(made.detach())
            if int(gaussian.count) < BATCHES:
                return made.new_zeros(())
            distance, slope, curve = self._distance(gaussian)
            centred = made - gaussian.mean
            # Has the gradient of the distance, were this batch all that is made.
            felt = (made * slope).sum(1).mean() + ((centred @ curve) * centred).sum(1).mean()
            return distance + felt - felt.detach()

    @torch.no_grad()
    def _distance(self, gaussian: Gaussian) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The distance, and its derivatives by the mean [k] and the covariance [k, k] of what is made."""
        shift = (gaussian.mean - self.real.mean).double()
        made, real = gaussian.covariance, self.covariance
        if self._root is None:
            self._root = _power(real, 0.5)
        root = self._root
        between = root @ made @ root
        distance = shift.square().sum() + (made + real).trace() - 2 * _power(between, 0.5).trace()
        curve = (
            torch.eye(len(made), dtype=made.dtype, device=made.device) - root @ _power(between, -0.5) @ root
        )
        return distance.float(), 2 * shift.float(), curve.float()


def _power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
    """Of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp(min=SMALLEST * float(values.max())) ** exponent
    return (vectors * values) @ vectors.T
