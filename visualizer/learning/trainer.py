"""The trainer: reconstruct photos from their codes, and make in-betweens look real.

Half of each batch reconstructs photos, compared through the classifier's features (DeePSiM,
arXiv:1602.02644); the other half lies between two photos' codes and is judged by the
discriminators (projected GAN, arXiv:2111.01007) and by what it has too much of on average.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.learning import distributed, views
from visualizer.learning.classifier import Classifier
from visualizer.learning.discriminator import FEATURE_CHANNELS, Discriminator, hinge_made, hinge_real
from visualizer.learning.efficientnet import HEAD_CHANNELS
from visualizer.learning.encoder import Encoder
from visualizer.learning.moment_matching import MomentMatching, Spread
from visualizer.learning.pictures import Pictures, to_uint8
from visualizer.neural.generator import Generator, strip_prefix
from visualizer.neural.layout import channels_last
from visualizer.neural.precision import fast_numbers

RECONSTRUCTION_WEIGHT = 4.0
# What the whole picture is taken for, so that it isn't only locally right.
POOLED_WEIGHT = 2.0
CLASS_WEIGHT = 0.5
# Of what made pictures have too much or too little of on average, in-betweens most of all.
MEAN_WEIGHT = 2.0
MIDDLE_MEAN_WEIGHT = 48.0
ADVERSARIAL_WEIGHT = 0.3
# The generator first learns to reconstruct alone, or the discriminators win at once.
WARM_UP_STEPS = 400
# One of so many pictures of a batch is a reconstruction, the rest are in-betweens, which learn more
# slowly: at first, and where the generator starts from trained weights.
REBUILT_OF = 2
TRAINED_REBUILT_OF = 4
# Where it starts from trained weights, it is the discriminators who first learn alone.
CATCH_UP_STEPS = 120
CATCH_UP_PACE = 4.0
FADE_IN_STEPS = 500
LEARNING_RATE = 4e-4
DISCRIMINATOR_LEARNING_RATE = 1e-4
# Of the learning rates, where the generator starts from trained weights.
TRAINED_PACE = 0.5
# The part of a bounded run over which the learning rate falls.
SETTLING = 0.35
# Pictures that the normalisation's statistics are taken from when they are fixed.
NORM_PICTURES = 512
AVERAGE_DECAY = 0.999
CODE_PHOTOS = 2048
# The parts of a trainer that change with every step.
LEARNING = ("generator", "average", "discriminator", "rebuilt_means", "middle_means")


class Losses(NamedTuple):
    """One step's losses, each before its weight."""

    feature: float
    pixel: float
    classes: float
    mean: float
    adversarial: float
    discriminator: float


def between(codes: torch.Tensor, others: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Points between pairs of codes [n, d], t [n, 1] in 0..1, at the radius between theirs."""
    mixed = torch.lerp(codes, others, t)
    radius = torch.lerp(codes.norm(dim=1, keepdim=True), others.norm(dim=1, keepdim=True), t)
    return mixed * (radius / mixed.norm(dim=1, keepdim=True))


def feature_distance(made: list[torch.Tensor], real: list[torch.Tensor]) -> torch.Tensor:
    """Mean over depths and places of the cosine distance between feature vectors."""
    distances = [1 - F.cosine_similarity(m.float(), r.float(), dim=1).mean() for m, r in zip(made, real)]
    return torch.stack(distances).mean()


def pixel_distance(made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of 4× downsampled pictures, on a scale of -1..1."""
    return 2 * F.l1_loss(F.avg_pool2d(made, 4), F.avg_pool2d(real, 4))


@dataclass(frozen=True)
class Sight:
    """What the classifier sees in n pictures.

    maps: its features at four depths, [n, c, h, w] each. pooled: [n, 1280], that classes are told from.
    """

    maps: list[torch.Tensor]
    pooled: torch.Tensor

    def __getitem__(self, which: slice) -> Sight:
        return Sight([m[which] for m in self.maps], self.pooled[which])

    def moments(self, spread: Spread) -> list[torch.Tensor]:
        """What is to be right on average: means at every depth, pooled, and its spread: [n, c] each."""
        return [*(m.float().mean((2, 3)) for m in self.maps), self.pooled, spread(self.pooled)]


class Trainer:
    """The networks, their optimisers and one `step`."""

    def __init__(
        self, classifier: Classifier, pictures: Pictures, batch_size: int, seed: int, device: torch.device
    ):
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.device = device
        self.batch_size = batch_size
        self.pictures = pictures
        self.classifier = classifier.to(device)
        self.step_count = self.first_step = self.seen_before = 0
        self.norms_fixed = False
        self.generator = channels_last(distributed.with_joint_norms(Generator()).to(device))
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.encoder, channel_std, self.spread = self._look_at_photos()
        same = [self.encoder.mean, self.encoder.whiten, *channel_std, self.spread.centre, self.spread.axes]
        distributed.same_everywhere(same)
        self.discriminator = channels_last(Discriminator(channel_std).to(device))
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), LEARNING_RATE, (0.5, 0.99))
        self.d_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_LEARNING_RATE, (0.0, 0.99)
        )
        channels = (*FEATURE_CHANNELS, HEAD_CHANNELS, self.spread.n_axes)
        self.rebuilt_means, self.middle_means = (MomentMatching(channels).to(device) for _ in range(2))

    def start_from(self, path: Path) -> None:
        """Start from a trained generator and its code. Raises UserError if the file holds none."""
        tensors, metadata = weights.load(path, "generator")
        generator = Generator.load(path)
        if (generator.channels, generator.refined) != (self.generator.channels, self.generator.refined):
            raise UserError(
                f"{path} is a generator of other sizes, {generator.channels}; start from one of this "
                f"version's, e.g. --from shipped."
            )
        self.generator.load_state_dict(generator.state_dict())
        self.encoder.load_state_dict(strip_prefix(tensors, "encoder."), strict=False)
        self._fix_norms()
        self.average.load_state_dict(self.generator.state_dict())
        self.step_count = self.first_step = int(metadata["steps"])
        self.seen_before = int(metadata["pictures_seen"])

    def _autocast(self) -> torch.autocast:
        return fast_numbers(self.device)

    @torch.no_grad()
    def _look_at_photos(self) -> tuple[Encoder, list[torch.Tensor], Spread]:
        """The code's whitening, the feature channels' standard deviations and the spread, from photos."""
        maps, pooled, stds = [], [], []
        n = min(CODE_PHOTOS, 4 * len(self.pictures))
        for photos in self.pictures.sample(n, np.random.default_rng(0), 32):
            features = self.classifier.features(photos)
            maps.append(Encoder.pool(features[-1]))
            pooled.append(self.classifier.net.pooled(features[-1]))
            stds.append([f.std((0, 2, 3)) for f in features])
        encoder = Encoder.fit(self.classifier, torch.cat(maps)).to(self.device)
        return encoder, [torch.stack(s).mean(0) for s in zip(*stds)], Spread(torch.cat(pooled))

    @property
    def steps_here(self) -> int:
        """Steps taken since the generator that it started from, or since nothing."""
        return self.step_count - self.first_step

    @property
    def rebuilt_of(self) -> int:
        """One of so many pictures of a batch is a reconstruction."""
        return TRAINED_REBUILT_OF if self.first_step else REBUILT_OF

    @property
    def n_middles(self) -> int:
        """In-betweens of a joint batch."""
        return self.batch_size - self.batch_size // self.rebuilt_of

    def settle(self, done: float) -> None:
        """Lower the learning rates over the last part of a run; done: the share of it that is over, 0..1."""
        settling, pace = (1.0, TRAINED_PACE) if self.first_step else (SETTLING, 1.0)
        left = min(1.0, (1 - min(1.0, done)) / settling)
        if left < 1 and not self.norms_fixed:
            self._fix_norms()
        catching_up = self.first_step and self.steps_here < CATCH_UP_STEPS
        for optimiser, rate in (
            (self.g_optimiser, LEARNING_RATE * pace),
            (self.d_optimiser, DISCRIMINATOR_LEARNING_RATE * (CATCH_UP_PACE if catching_up else 1)),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * max(0.05, left)

    def step(self) -> Losses:
        """One update of both sides on one (joint) batch of photos."""
        n = self.batch_size
        steps = self.steps_here
        alone = CATCH_UP_STEPS if self.first_step else WARM_UP_STEPS
        strength = min(1.0, max(0.0, (steps - alone) / FADE_IN_STEPS))
        adversarial = bool(self.first_step or strength)
        # At equal distances, so that the shares of several processes make up one process's.
        shown = slice(None, None, self.rebuilt_of if adversarial else 1)
        photos = self.pictures.batch(n, self.rng, distributed.share(n))
        photo_views = views.draw(n, self.rng)[distributed.share(n)]

        with self._autocast():
            with torch.no_grad():
                codes = self.encoder(photos)
                middles = self._in_betweens(codes)
                real = self._see(photos, photo_views)
            middle_views = views.draw(self.n_middles, self.rng)[distributed.share(self.n_middles)]
            photos, codes, made_views = photos[shown], codes[shown], photo_views[shown]
            rebuilt = slice(len(codes))
            if adversarial:
                codes, made_views = torch.cat([codes, middles]), torch.cat([made_views, middle_views])
            with torch.set_grad_enabled(not self.first_step or steps >= alone):
                made = self.generator(codes)
                seen = self._see(made, made_views)
                loss, feature, pixel, classes, mean = self._rebuilding(
                    made[rebuilt], photos, seen[rebuilt], real[shown]
                )
                g_loss = d_loss = torch.zeros(())
                if adversarial:
                    self.discriminator.requires_grad_(False)
                    g_loss = -self.discriminator(seen.maps).float().mean()
                    middles_seen = seen[rebuilt.stop :]
                    middle_mean = self.middle_means(
                        middles_seen.moments(self.spread), real.moments(self.spread)
                    )
                    loss = loss + strength * (ADVERSARIAL_WEIGHT * g_loss + MIDDLE_MEAN_WEIGHT * middle_mean)
        if loss.requires_grad:
            self._update(self.generator, self.g_optimiser, loss)
            self._update_average()

        if adversarial:
            self.discriminator.requires_grad_(True)
            with self._autocast():
                logits_real = self.discriminator(real.maps).float()
                logits_made = self.discriminator([f.detach() for f in seen.maps]).float()
                d_loss = hinge_real(logits_real) + hinge_made(logits_made)
            self._update(self.discriminator, self.d_optimiser, d_loss)

        self.step_count += 1
        parts = (feature, pixel, classes, mean, g_loss, d_loss)
        # All at once: a card that is asked for each has to finish its work every time.
        losses = torch.stack([part.detach().float().to(self.device) for part in parts]).tolist()
        return Losses(*distributed.average(losses))

    def _see(self, pictures: torch.Tensor, which: torch.Tensor) -> Sight:
        """What the classifier sees in pictures [n, 3, 256, 256] through views [n, 3]."""
        maps = self.classifier.features(views.look(pictures, which))
        return Sight(maps, self.classifier.net.pooled(maps[-1]))

    def _rebuilding(
        self, made: torch.Tensor, photos: torch.Tensor, seen: Sight, real: Sight
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss of reconstructions; and features, pixels, classes, means, each before its weight."""
        feature = feature_distance(seen.maps, real.maps)
        pixel = pixel_distance(made.float(), photos)
        pooled, classes = self._class_distance(seen.pooled, real.pooled)
        mean = self.rebuilt_means(seen.moments(self.spread), real.moments(self.spread))
        loss = RECONSTRUCTION_WEIGHT * (feature + pixel) + POOLED_WEIGHT * pooled
        return loss + CLASS_WEIGHT * classes + MEAN_WEIGHT * mean, feature, pixel, classes, mean

    def _class_distance(self, made: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of pooled features [n, 1280]: cosine distance, and Kullback-Leibler divergence of the classes."""
        cosine = 1 - F.cosine_similarity(made.float(), real.float(), dim=1).mean()
        made_log, real_log = (self.classifier.net.classify(x).float().log_softmax(1) for x in (made, real))
        return cosine, F.kl_div(made_log, real_log, reduction="batchmean", log_target=True)

    def _in_betweens(self, codes: torch.Tensor) -> torch.Tensor:
        """This process's share of random points, mostly halfway, between pairs of the joint batch's codes."""
        n = self.batch_size
        everyones = distributed.gather(codes)
        first = torch.from_numpy(self.rng.permutation(n)[: self.n_middles])
        second = (first + torch.from_numpy(self.rng.integers(1, n, len(first)))) % n
        t = torch.from_numpy(self.rng.triangular(0, 0.5, 1, (len(first), 1)).astype(np.float32))
        return between(everyones[first], everyones[second], t.to(codes.device))[distributed.share(len(first))]

    @staticmethod
    def _update(network: nn.Module, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(network.parameters())
        optimiser.step()

    @torch.no_grad()
    def _fix_norms(self) -> None:
        """Take the normalisation's statistics from many pictures, and keep them from now on.

        They are then the same in training and in use, and averages of weights fit them.
        """
        norms = [m for m in self.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        usual = norms[0].momentum
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        rng = np.random.default_rng(1)
        self.generator.train()
        for photos in self.pictures.sample(NORM_PICTURES, rng, 2 * self.batch_size):
            with self._autocast():
                codes = self.encoder(photos)
                t = torch.from_numpy(rng.random((len(codes), 1), np.float32)).to(self.device)
                middles = between(codes, codes.flip(0), t)
                self.generator(torch.cat([codes[::2], middles[1::2]]))
        for norm in norms:
            norm.momentum = usual
        self._keep_norms()

    def _keep_norms(self) -> None:
        self.norms_fixed = True
        for module in self.generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.steps_here) / (10 + self.steps_here))
        averaged, current = self.average.state_dict(), self.generator.state_dict()
        for key, value in averaged.items():
            if value.is_floating_point():
                value.lerp_(current[key], 1 - decay)
            else:
                value.copy_(current[key])

    def save_generator(self, path: Path) -> None:
        """The averaged generator and the encoder's whitening: what the program uses."""
        tensors = {f"generator.{k}": t for k, t in self.average.state_dict().items()}
        tensors |= {"encoder.mean": self.encoder.mean, "encoder.whiten": self.encoder.whiten}
        weights.save(path, "generator", tensors, self._metadata())

    def _metadata(self) -> dict[str, str]:
        seen = self.seen_before + self.steps_here * self.batch_size
        return {"steps": str(self.step_count), "pictures_seen": str(seen)}

    def save_checkpoint(self, path: Path) -> None:
        """Everything that `restore` needs to go on."""
        tensors = {f"{name}.{k}": t for name in LEARNING for k, t in getattr(self, name).state_dict().items()}
        tensors |= {"encoder.mean": self.encoder.mean, "encoder.whiten": self.encoder.whiten}
        for name, optimiser in self._optimisers().items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}.{index}.{k}": v for k, v in state.items()}
        begun = {"first_step": str(self.first_step), "seen_before": str(self.seen_before)}
        fixed = {"norms_fixed": str(int(self.norms_fixed))}
        weights.save(path, "checkpoint", tensors, self._metadata() | begun | fixed, half=False)

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"g_optimiser": self.g_optimiser, "d_optimiser": self.d_optimiser}

    def restore(self, path: Path) -> None:
        """Go on from `save_checkpoint`. Raises UserError if the file isn't one."""
        tensors, metadata = weights.load(path, "checkpoint")
        try:
            for name in (*LEARNING, "encoder"):
                state = strip_prefix(tensors, f"{name}.")
                getattr(self, name).load_state_dict(state, strict=name != "encoder")
        except RuntimeError:
            raise UserError(
                f"{path} is a checkpoint of another version, whose networks have other sizes; "
                f"start without --resume."
            ) from None
        for name, optimiser in self._optimisers().items():
            saved = optimiser.state_dict()
            for key, value in strip_prefix(tensors, f"{name}.").items():
                index, field = key.split(".")
                saved["state"].setdefault(int(index), {})[field] = value
            optimiser.load_state_dict(saved)
        self.step_count = int(metadata["steps"])
        self.first_step, self.seen_before = (int(metadata[k]) for k in ("first_step", "seen_before"))
        if int(metadata["norms_fixed"]):
            self._keep_norms()
        self.rng = np.random.default_rng([self.step_count, 1])

    @torch.no_grad()
    def preview(self, path: Path, columns: int = 8) -> None:
        """A sheet: photos, their reconstructions, in-betweens, reconstructions, photos."""
        photos = self.pictures.batch(2 * columns, np.random.default_rng(7))
        with self._autocast():
            codes = self.encoder(photos)
            first, second = codes[:columns], codes[columns:]
            rows = [photos[:columns]]
            for t in (0.0, 0.25, 0.5, 0.75, 1.0):
                mixed = between(first, second, torch.full((columns, 1), t, device=self.device))
                self.average.eval()
                rows.append(self.average(mixed))
            rows.append(photos[columns:])
        sheet = np.concatenate([np.concatenate(list(to_uint8(row)), axis=1) for row in rows])
        half = (sheet.shape[1] // 2, sheet.shape[0] // 2)
        Image.fromarray(sheet).resize(half, Image.Resampling.LANCZOS).save(path)
