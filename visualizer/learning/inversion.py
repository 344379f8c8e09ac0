"""Inversion: the code of which a StyleGAN draws a given photo most nearly, found by descent.

A StyleGAN has no encoder. So the code begins at the average picture and goes where the features and the
colours come to be the photo's: projection, as in section 5 of Karras et al. 2020 (arXiv:1912.04958), by the
losses that the program's own generator is trained with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from visualizer.learning.classifier import Classifier
from visualizer.learning.eyes import for_classifiers
from visualizer.neural.precision import fast_numbers
from visualizer.neural.stylegan.imported import SHELL, StyleGan

STEPS = 120
# Of a number in a code, in its usual size.
LEARNING_RATE = 0.1
# How much stronger than a random code's the outcome may be.
STRONGEST = 1.2
FEATURE_WEIGHT, COLOUR_WEIGHT = 4.0, 4.0


def invert(
    network: StyleGan, classifier: Classifier, photos: torch.Tensor, steps: int = STEPS
) -> torch.Tensor:
    """Codes [n, d] of photos [n, 3, 256, 256], 0..1. The networks must be frozen."""
    scale = SHELL / math.sqrt(network.code_dim)
    codes = torch.zeros(len(photos), network.code_dim, device=photos.device, requires_grad=True)
    optimiser = torch.optim.Adam([codes], LEARNING_RATE * scale)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    with torch.no_grad(), fast_numbers(photos.device):
        wanted = classifier.features(photos)
    small = F.avg_pool2d(photos, 4)
    for _ in range(steps):
        with fast_numbers(photos.device):
            made = for_classifiers(network(codes))
            found = classifier.features(made)
        loss = COLOUR_WEIGHT * (F.avg_pool2d(made.float(), 4) - small).abs().mean((1, 2, 3)).sum()
        for a, b in zip(found, wanted, strict=True):
            away = 1 - F.cosine_similarity(a.float(), b.float(), dim=1)
            loss = loss + FEATURE_WEIGHT / len(wanted) * away.mean((1, 2)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            codes.mul_((STRONGEST * SHELL / codes.norm(dim=1, keepdim=True)).clamp(max=1))
    return codes.detach()
