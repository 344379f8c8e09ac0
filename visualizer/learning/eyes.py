"""The eyes that training looks through: two frozen networks that were taught to tell things apart.

Ornament that pleases one network does not please every other: what both take for a photo looks more like
one (the feature networks of projected GANs are two for the same reason: Sauer et al. 2022, arXiv:2202.00273).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from visualizer.learning.classifier import Classifier
from visualizer.learning.grain import grain
from visualizer.learning.relief import relief
from visualizer.learning.squeezenet import SqueezeNet
from visualizer.neural.generator import PICTURE_SIZE

# The classifier's maps come first.
N_CLASSIFIER_MAPS = 4
# Of all maps, those that the discriminators see: the second eye's finest costs as much as all others.
JUDGED = (0, 1, 2, 3, 5, 6, 7)


@dataclass(frozen=True)
class Sight:
    """What the eyes see in n pictures.

    maps: features [n, c, h, w], the classifier's at four depths, then the second eye's at four.
    pooled: [n, 1280] float32, what the classifier tells classes from.
    relief: [n, 2], from where fine detail seems lit.
    grain: [n, 4], how much of it there is, and how evenly it lies.
    """

    maps: list[torch.Tensor]
    pooled: torch.Tensor
    relief: torch.Tensor
    grain: torch.Tensor

    def __getitem__(self, which: slice) -> Sight:
        rest = (part[which] for part in (self.pooled, self.relief, self.grain))
        return Sight([m[which] for m in self.maps], *rest)

    @property
    def judged(self) -> list[torch.Tensor]:
        """The maps that discriminators see."""
        return [self.maps[i] for i in JUDGED]

    @cached_property
    def means(self) -> list[torch.Tensor]:
        """What is to be right on average: features at every depth, relief, and grain."""
        return [*(m.float().mean((2, 3)) for m in self.maps), self.relief, self.grain]

    @cached_property
    def gists(self) -> list[torch.Tensor]:
        """What each eye takes the whole pictures for, [n, c]: they are to spread as photos do."""
        return [self.pooled, self.maps[-1].float().mean((2, 3))]


class Eyes:
    """The classifier and SqueezeNet, in the numbers that are fast on a device, once and for all."""

    def __init__(self, classifier: Classifier, second: SqueezeNet, dtype: torch.dtype):
        """dtype: bfloat16 or float32; the networks given stay as they are."""
        self.dtype = dtype
        self._net = copy.deepcopy(classifier.net).to(dtype)
        self._second = copy.deepcopy(second).to(dtype)

    def look(self, pictures: torch.Tensor, size: int = PICTURE_SIZE) -> Sight:
        """What is seen in pictures [n, 3, h, w], sRGB in 0..1, made so many pixels small."""
        texture = relief(pictures), grain(pictures)
        pictures = made_small(pictures, size)
        maps = self.features(pictures)
        pooled = self._net.pooled(maps[-1]).float()
        return Sight([*maps, *self._second.features(pictures)], pooled, *texture)

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The classifier's maps of pictures [n, 3, h, w], sRGB in 0..1."""
        shown = Classifier.normalise(pictures.float()).to(self.dtype)
        return self._net.features(shown.contiguous(memory_format=torch.channels_last))

    def class_distance(self, made: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of pooled features [n, 1280]: cosine distance, and Kullback-Leibler divergence of the classes."""
        cosine = 1 - F.cosine_similarity(made, real, dim=1).mean()
        ours, theirs = (self._net.classify(x.to(self.dtype)).float().log_softmax(1) for x in (made, real))
        return cosine, F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def feature_distance(made: list[torch.Tensor], real: list[torch.Tensor]) -> torch.Tensor:
    """Mean over depths and places of the cosine distance between feature vectors."""
    distances = [1 - F.cosine_similarity(m.float(), r.float(), dim=1).mean() for m, r in zip(made, real)]
    return torch.stack(distances).mean()


def pixel_distance(made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of 4× downsampled pictures, on a scale of -1..1."""
    return 2 * F.l1_loss(F.avg_pool2d(made, 4), F.avg_pool2d(real, 4))


def for_classifiers(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, h, w] of any size, in the one at which classifiers look at them."""
    return made_small(pictures, PICTURE_SIZE)


def made_small(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """Pictures [n, 3, h, w] in another size."""
    if pictures.shape[-1] == size:
        return pictures
    smaller = pictures.shape[-1] > size
    return F.interpolate(pictures.float(), size, mode="bilinear", antialias=smaller)
