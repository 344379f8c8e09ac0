"""The trainer: reconstruct photos from their codes, and make what lies between and what is mixed look real.

A third of each batch reconstructs photos, compared through the features of three networks (DeePSiM,
arXiv:1602.02644); a third lies between two photos' codes; a third has the shape of one and the matter of
another. All are judged by the discriminators (projected GAN, arXiv:2111.01007), by what they have too much of
on average, and by their Fréchet distance from photos.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.shell import INWARD
from visualizer.learning import distributed, optimising, views
from visualizer.learning.discriminator import Discriminator, hinge_made, hinge_real
from visualizer.learning.encoder import Encoder
from visualizer.learning.eyes import (
    JUDGED,
    N_CLASSIFIER_MAPS,
    Eyes,
    Sight,
    feature_distance,
    for_classifiers,
    pixel_distance,
)
from visualizer.learning.frechet import FrechetMatching
from visualizer.learning.grain import GRAIN
from visualizer.learning.growth import calibrate
from visualizer.learning.moment_matching import MomentMatching
from visualizer.learning.pictures import Pictures
from visualizer.neural.generator import Generator, strip_prefix
from visualizer.neural.layout import channels_last, to_uint8
from visualizer.neural.precision import fast_numbers

# The classifier's features, its pixels alike, and what the other eyes see.
RECONSTRUCTION_WEIGHT = 4.0
OTHERS_WEIGHT = 4.0
# What the whole picture is taken for, so that it isn't only locally right.
POOLED_WEIGHT = 4.0
CLASS_WEIGHT = 1.0
# Of what made pictures have too much or too little of on average, in-betweens and mixtures most of all.
MEAN_WEIGHT = 12.0
MADE_UP_MEAN_WEIGHT = 30.0
# Of the distance of the eyes' gists, and how it compares for what is made up.
FRECHET_WEIGHT, MADE_UP_FRECHET_WEIGHT = 20.0, 30.0
ADVERSARIAL_WEIGHT = 0.55
# A batch has as many reconstructions as in-betweens and mixtures.
PARTS = 3
# Of all batches, those that are seen as they are; the others through random views.
PLAIN = 0.6
# The generator first learns to reconstruct alone, or the discriminators win at once.
WARM_UP_STEPS = 400
# Where it starts from trained weights, it is the discriminators who first learn alone.
CATCH_UP_STEPS = 60
CATCH_UP_PACE = 4.0
FADE_IN_STEPS = 200
# The generator's, of each tensor in parts of its size, for sizes differ by a hundred times where
# normalisation was folded away.
LEARNING_RATE = 1e-2
DISCRIMINATOR_LEARNING_RATE = 1e-4
# Of the generator's learning rate, where it starts from trained weights; reached in so many steps.
TRAINED_PACE = 0.2
RISING_STEPS = 100
# The part of a bounded run over which the learning rate falls.
SETTLING = 0.35
AVERAGE_DECAY = 0.995
CODE_PHOTOS = 2048
# The parts of a trainer that change with every step.
LEARNING = ("generator", "average", "discriminator", "means", "distances")


class Losses(NamedTuple):
    """One step's losses, each before its weight."""

    feature: float
    others: float
    pixel: float
    classes: float
    mean: float
    distance: float
    made_up_distance: float
    adversarial: float
    discriminator: float

    def __str__(self) -> str:
        return (
            f"features {self.feature:.3f} and {self.others:.3f}, pixels {self.pixel:.3f}, "
            f"classes {self.classes:.2f}, means {self.mean:.3f}, "
            f"Fréchet {self.distance:.3f} and {self.made_up_distance:.3f}, G {self.adversarial:+.2f}, "
            f"D {self.discriminator:.2f}"
        )


def between(codes: torch.Tensor, others: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Points between pairs of codes [n, d], t [n, 1] in 0..1, where the particle passes (`latent.shell`)."""
    mixed = torch.lerp(codes, others, t)
    radius = torch.lerp(codes.norm(dim=1, keepdim=True), others.norm(dim=1, keepdim=True), t)
    norm = mixed.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return mixed * (radius / norm) * (norm / radius).clamp(max=1) ** INWARD


class Trainer:
    """The networks, their optimisers and one `step`."""

    def __init__(
        self,
        eyes: Eyes,
        pictures: Pictures,
        batch_size: int,
        seed: int,
        device: torch.device,
    ):
        """batch_size: a multiple of 3, and of 3 for every process."""
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.device = device
        self.batch_size = batch_size
        self.pictures = pictures
        self.eyes = eyes
        self.step_count = self.first_step = self.seen_before = 0
        self.encoder, map_stds, self.distances = self._look_at_photos()
        self._learn(Generator())
        self._calibrate()
        same = [self.encoder.mean, self.encoder.whiten, *map_stds, *self.distances.buffers()]
        distributed.same_everywhere([*same, *self.generator.parameters()])
        self.average.load_state_dict(self.generator.state_dict())
        self.discriminator = channels_last(Discriminator([map_stds[i] for i in JUDGED]).to(device))
        self.d_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_LEARNING_RATE, (0.0, 0.99)
        )
        # Of reconstructions, in-betweens and mixtures.
        channels = [*map(len, map_stds), 2, GRAIN]
        self.means = nn.ModuleList(MomentMatching(channels) for _ in range(PARTS)).to(device)
        # The last distances that were felt.
        self._known = [torch.zeros((), device=device)] * PARTS

    def _learn(self, generator: Generator) -> None:
        """Let this generator be the one that learns."""
        self.generator = channels_last(generator.to(self.device)).requires_grad_(True)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self._prepare()

    def _prepare(self) -> None:
        """A fresh optimiser, which knows the sizes of the generator's tensors."""
        self.g_optimiser = optimising.adam(self.generator.parameters(), LEARNING_RATE, (0.5, 0.99))

    @torch.no_grad()
    def _calibrate(self) -> None:
        photos = self.pictures.batch(8, np.random.default_rng(1))
        calibrate(self.generator, self.encoder(photos))
        self._prepare()

    def start_from(self, path: Path) -> None:
        """Start from a trained generator and its code. Raises UserError if the file holds none."""
        tensors, metadata = weights.load(path, "generator")
        self._learn(Generator.load(path))
        self.encoder.load_state_dict(strip_prefix(tensors, "encoder."), strict=False)
        self.step_count = self.first_step = int(metadata["steps"])
        self.seen_before = int(metadata["pictures_seen"])

    def _autocast(self) -> torch.autocast:
        return fast_numbers(self.device)

    @torch.no_grad()
    def _look_at_photos(self) -> tuple[Encoder, list[torch.Tensor], nn.ModuleList]:
        """From photos: the code's whitening, feature channels' standard deviations, each eye's matching."""
        maps, gists, stds = [], [], []
        n = min(CODE_PHOTOS, 4 * len(self.pictures))
        with self._autocast():
            for photos in self.pictures.sample(n, np.random.default_rng(0), 32):
                sight = self.eyes.look(photos)
                maps.append(Encoder.pool(sight.maps[N_CLASSIFIER_MAPS - 1]))
                gists.append(sight.gists)
                stds.append([m.float().std((0, 2, 3)) for m in sight.maps])
        encoder = Encoder.fit(self.eyes.classifier, torch.cat(maps)).to(self.device)
        distances = nn.ModuleList(FrechetMatching(torch.cat(gist), PARTS) for gist in zip(*gists))
        return encoder, [torch.stack(s).mean(0) for s in zip(*stds)], distances.to(self.device)

    @property
    def steps_here(self) -> int:
        """Steps taken since the generator that it started from, or since nothing."""
        return self.step_count - self.first_step

    def settle(self, done: float) -> None:
        """Lower the learning rates over the last part of a run; done: the share of it that is over, 0..1."""
        settling, pace = (1.0, TRAINED_PACE) if self.first_step else (SETTLING, 1.0)
        catching_up = self.first_step and self.steps_here < CATCH_UP_STEPS
        if self.first_step:
            pace *= min(1.0, max(1, self.steps_here - CATCH_UP_STEPS) / RISING_STEPS)
        rates = (
            (self.g_optimiser, LEARNING_RATE * pace),
            (self.d_optimiser, DISCRIMINATOR_LEARNING_RATE * (CATCH_UP_PACE if catching_up else 1)),
        )
        optimising.settle(rates, done, settling)

    def step(self) -> Losses:
        """One update of both sides on one (joint) batch of photos."""
        n, each = self.batch_size, self.batch_size // PARTS
        steps = self.steps_here
        alone = CATCH_UP_STEPS if self.first_step else WARM_UP_STEPS
        strength = min(1.0, max(0.0, (steps - alone) / FADE_IN_STEPS))
        adversarial = bool(self.first_step or strength)
        # At equal distances, so that the shares of several processes make up one process's.
        shown = slice(None, None, PARTS if adversarial else 1)
        photos = self.pictures.batch(n, self.rng, distributed.share(n))
        size = views.draw_size(self.rng)
        real_views, made_views = self._draw_views(shown, adversarial)
        with self._autocast():
            with torch.no_grad():
                codes = self.encoder.from_features(self.eyes.features(photos)[-1])
                real = self._see(photos, real_views, size)
                self._follow(real)
                made_up = self._made_up(codes, each)
            photos, codes = photos[shown], codes[shown]
            shape, matter = (torch.cat([codes, part]) for part in made_up) if adversarial else (codes, codes)
            with torch.set_grad_enabled(not self.first_step or steps >= alone):
                made = for_classifiers(self.generator(shape, matter).float())
                seen = self._see(made, made_views, size)
                rebuilt = slice(len(codes))
                loss, *parts = self._rebuilding(made[rebuilt], photos, seen[rebuilt], real[shown])
                distance = self._distance(0, seen[rebuilt])
                far = g_loss = d_loss = torch.zeros((), device=self.device)
                if adversarial:
                    self.discriminator.requires_grad_(False)
                    g_loss = -self.discriminator(seen.judged).float().mean()
                    mean, far = self._made_up_faults(seen[rebuilt.stop :], real)
                    felt = MADE_UP_MEAN_WEIGHT * mean + MADE_UP_FRECHET_WEIGHT * far
                    loss = loss + strength * (ADVERSARIAL_WEIGHT * g_loss + felt + FRECHET_WEIGHT * distance)
        if loss.requires_grad:
            optimising.update(self.generator, self.g_optimiser, loss)
            optimising.follow(self.average, self.generator, AVERAGE_DECAY, self.steps_here)

        if adversarial:
            self.discriminator.requires_grad_(True)
            with self._autocast():
                logits_real = self.discriminator(real.judged).float()
                logits_made = self.discriminator([f.detach() for f in seen.judged]).float()
                d_loss = hinge_real(logits_real) + hinge_made(logits_made)
            optimising.update(self.discriminator, self.d_optimiser, d_loss)

        self.step_count += 1
        # All at once: a card that is asked for each has to finish its work every time.
        losses = torch.stack(
            [p.detach().float().to(self.device) for p in (*parts, distance, far, g_loss, d_loss)]
        ).tolist()
        return Losses(*distributed.average(losses))

    def _draw_views(self, shown: slice, adversarial: bool) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Views of photos, and of what is made of them; None where all are seen as they are."""
        if self.rng.random() < PLAIN:
            return None, None
        # In-betweens and mixtures are shared apart.
        parts = self.batch_size, *[self.batch_size // PARTS] * (PARTS - 1)
        real, *made_up = (views.draw(n, self.rng)[distributed.share(n)] for n in parts)
        return real, torch.cat([real[shown], *(made_up if adversarial else ())])

    def _see(self, pictures: torch.Tensor, which: torch.Tensor | None, size: int) -> Sight:
        """What the eyes see in pictures [n, 3, h, w], through views [n, 3] if there are any."""
        return self.eyes.look(pictures if which is None else views.look(pictures, which), size)

    def _rebuilding(
        self, made: torch.Tensor, photos: torch.Tensor, seen: Sight, real: Sight
    ) -> tuple[torch.Tensor, ...]:
        """The loss of reconstructions; features, others', pixels, classes, means, before their weights."""
        feature, others = (
            feature_distance(seen.maps[part], real.maps[part])
            for part in (slice(N_CLASSIFIER_MAPS), slice(N_CLASSIFIER_MAPS, None))
        )
        pixel = pixel_distance(made, photos)
        pooled, classes = self.eyes.class_distance(seen.pooled, real.pooled)
        mean = self.means[0](seen.means, real.means)
        loss = RECONSTRUCTION_WEIGHT * (feature + pixel) + OTHERS_WEIGHT * others + POOLED_WEIGHT * pooled
        return loss + CLASS_WEIGHT * classes + MEAN_WEIGHT * mean, feature, others, pixel, classes, mean

    def _follow(self, real: Sight) -> None:
        """Take in what distances are from: photos, where they are seen whole."""
        if real.whole:
            for matching, gist in zip(self.distances, real.gists):
                assert isinstance(matching, FrechetMatching)
                matching.follow(gist)

    def _distance(self, part: int, seen: Sight) -> torch.Tensor:
        """How far reconstructions (0), in-betweens (1) or mixtures (2) are from photos, all in all.

        Of whole looks alone: looks of all sizes spread twice as far as those of one, and what all together
        are like says little of any. For the others it is what is known.
        """
        if seen.whole:
            distances = [match(gist, part) for match, gist in zip(self.distances, seen.gists)]
            distance = torch.stack(distances).mean()
            self._known[part] = distance.detach()
            return distance
        return self._known[part]

    def _made_up_faults(self, seen: Sight, real: Sight) -> tuple[torch.Tensor, torch.Tensor]:
        """(means, distance) of in-betweens and mixtures, as many of each: how far they are off."""
        half = len(seen.relief) // 2
        parts = seen[slice(half)], seen[slice(half, None)]
        means = [match(part.means, real.means) for match, part in zip(self.means[1:], parts)]
        distances = [self._distance(i, part) for i, part in enumerate(parts, 1)]
        return torch.stack(means).sum(), torch.stack(distances).sum()

    def _made_up(self, codes: torch.Tensor, each: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(shapes, matters) of this process's share of what no photo shows: of `each` points, mostly halfway,
        between pairs of the joint batch's codes, then of `each` mixtures of pairs."""
        n, everyones = self.batch_size, distributed.gather(codes)
        pairs = []
        for _ in range(2):
            first = torch.from_numpy(self.rng.permutation(n)[:each])
            second = (first + torch.from_numpy(self.rng.integers(1, n, each))) % n
            pairs.append((everyones[first], everyones[second]))
        t = torch.from_numpy(self.rng.triangular(0, 0.5, 1, (each, 1)).astype(np.float32)).to(codes.device)
        share = distributed.share(each)
        middles = between(*pairs[0], t)[share]
        shapes, matters = (codes[share] for codes in pairs[1])
        return torch.cat([middles, shapes]), torch.cat([middles, matters])

    def save_network(self, path: Path) -> None:
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
        tensors |= optimising.kept(self._optimisers())
        begun = {"first_step": str(self.first_step), "seen_before": str(self.seen_before)}
        weights.save(path, "checkpoint", tensors, self._metadata() | begun, half=False)

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"g_optimiser": self.g_optimiser, "d_optimiser": self.d_optimiser}

    def restore(self, path: Path) -> None:
        """Go on from `save_checkpoint`. Raises UserError if the file isn't one."""
        tensors, metadata = weights.load(path, "checkpoint")
        try:
            self._learn(Generator.of(strip_prefix(tensors, "generator.")))
            for name in (*LEARNING, "encoder"):
                state = strip_prefix(tensors, f"{name}.")
                getattr(self, name).load_state_dict(state, strict=name != "encoder")
        except (KeyError, RuntimeError):
            raise UserError(
                f"{path} is a checkpoint of another version, whose networks have other sizes; "
                f"start without --resume."
            ) from None
        optimising.restore(self._optimisers(), tensors)
        self.step_count = int(metadata["steps"])
        self.first_step, self.seen_before = (int(metadata[k]) for k in ("first_step", "seen_before"))
        self.rng = np.random.default_rng([self.step_count, 1])

    @torch.no_grad()
    def preview(self, path: Path, columns: int = 8) -> None:
        """A sheet: photos, their reconstructions, in-betweens, mixtures, reconstructions, photos."""
        photos = self.pictures.batch(2 * columns, np.random.default_rng(7))
        with self._autocast():
            codes = self.encoder(photos)
            first, second = codes[:columns], codes[columns:]
            middle = between(first, second, torch.full((columns, 1), 0.5, device=self.device))
            pairs = ((first, first), (middle, middle), (first, second), (second, first), (second, second))
            made = [for_classifiers(self.average(*pair)) for pair in pairs]
        sheet = np.concatenate(
            [
                np.concatenate(list(to_uint8(row)), axis=1)
                for row in (photos[:columns], *made, photos[columns:])
            ]
        )
        half = (sheet.shape[1] // 2, sheet.shape[0] // 2)
        Image.fromarray(sheet).resize(half, Image.Resampling.LANCZOS).save(path)
