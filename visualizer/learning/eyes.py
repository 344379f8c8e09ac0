"""The eyes that training looks through: three frozen networks that were taught to tell things apart.

Ornament that pleases one network does not please every other: what all take for a photo looks more like one
(the feature networks of projected GANs are two for the same reason: Sauer et al. 2022, arXiv:2202.00273).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from visualizer.common import assets
from visualizer.learning.classifier import Classifier
from visualizer.learning.grain import grain
from visualizer.learning.relief import relief
from visualizer.learning.squeezenet import SqueezeNet
from visualizer.neural.generator import PICTURE_SIZE
from visualizer.neural.precision import learning_dtype

# The classifier's maps come first, then the second eye's.
N_CLASSIFIER_MAPS = 4
SECOND_MAPS = slice(N_CLASSIFIER_MAPS, N_CLASSIFIER_MAPS + 4)
# Of all maps, those that the discriminators see: the second eye's finest costs as much as all others.
JUDGED = (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11)


@dataclass(frozen=True)
class Sight:
    """What the eyes see in n pictures.

    maps: features [n, c, h, w], at four depths of the classifier, of SqueezeNet, and of the other classifier.
    pooled: [n, 1280] float32 of each classifier, what it tells classes from.
    relief: [n, 2], from where fine detail seems lit.
    grain: [n, 4], how much of it there is, and how evenly it lies.
    whole: whether the pictures were seen in full size.
    """

    maps: list[torch.Tensor]
    pooled: list[torch.Tensor]
    relief: torch.Tensor
    grain: torch.Tensor
    whole: bool

    def __getitem__(self, which: slice) -> Sight:
        maps, pooled = ([part[which] for part in parts] for parts in (self.maps, self.pooled))
        return Sight(maps, pooled, self.relief[which], self.grain[which], self.whole)

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
        return [*self.pooled, self.maps[SECOND_MAPS][-1].float().mean((2, 3))]


class Eyes:
    """Two classifiers and SqueezeNet, in the numbers that are fast on a device, once and for all.

    classifier: the first, of whose features codes are made, in float32.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None = None):
        """dtype: bfloat16 or float32; None is what is fast."""
        self.dtype = dtype or learning_dtype(device)
        self.classifier = Classifier.load(assets.model("classifier.safetensors")).to(device)
        third = Classifier.load(assets.model("lite1.safetensors"))
        second = SqueezeNet.load(assets.model("squeezenet.safetensors"))
        self._nets = [net.to(device, self.dtype) for net in (copy.deepcopy(self.classifier.net), third.net)]
        self._second = second.to(device, self.dtype)

    def look(self, pictures: torch.Tensor, size: int = PICTURE_SIZE) -> Sight:
        """What is seen in pictures [n, 3, h, w], sRGB in 0..1, made so many pixels small."""
        texture = relief(pictures), grain(pictures)
        pictures = made_small(pictures, size)
        shown = self._shown(pictures)
        first, third = (net.features(shown) for net in self._nets)
        pooled = [net.pooled(maps[-1]).float() for net, maps in zip(self._nets, (first, third), strict=True)]
        return Sight(
            [*first, *self._second.features(pictures), *third], pooled, *texture, size == PICTURE_SIZE
        )

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The first classifier's maps of pictures [n, 3, h, w], sRGB in 0..1."""
        return self._nets[0].features(self._shown(pictures))

    def _shown(self, pictures: torch.Tensor) -> torch.Tensor:
        shown = Classifier.normalise(pictures.float()).to(self.dtype)
        return shown.contiguous(memory_format=torch.channels_last)

    def class_distance(
        self, made: list[torch.Tensor], real: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each classifier's pooled features [n, 1280], on average: cosine distance, and Kullback-Leibler
        divergence of the classes."""
        cosines, divergences = [], []
        for net, pair in zip(self._nets, zip(made, real, strict=True), strict=True):
            cosines.append(1 - F.cosine_similarity(*pair, dim=1).mean())
            ours, theirs = (net.classify(x.to(self.dtype)).float().log_softmax(1) for x in pair)
            divergences.append(F.kl_div(ours, theirs, reduction="batchmean", log_target=True))
        return torch.stack(cosines).mean(), torch.stack(divergences).mean()


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
