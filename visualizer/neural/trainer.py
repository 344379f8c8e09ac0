"""The trainer: reconstruct photos from their codes, and make in-betweens look real.

Half of each batch reconstructs photos, compared through the classifier's features (DeePSiM,
arXiv:1602.02644); the other half lies between two photos' codes and is judged by the
discriminators alone (projected GAN, arXiv:2111.01007).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from visualizer import weights
from visualizer.neural import distributed, views
from visualizer.neural.classifier import Classifier
from visualizer.neural.discriminator import Discriminator, hinge_made, hinge_real
from visualizer.neural.encoder import Encoder
from visualizer.neural.generator import Generator, strip_prefix
from visualizer.neural.pictures import Pictures, to_uint8

RECONSTRUCTION_WEIGHT = 4.0
# What the whole picture is taken for, so that it isn't only locally right.
POOLED_WEIGHT = 2.0
CLASS_WEIGHT = 0.5
ADVERSARIAL_WEIGHT = 0.3
# The generator first learns to reconstruct alone, or the discriminators win at once.
WARM_UP_STEPS = 400
FADE_IN_STEPS = 500
LEARNING_RATE = 4e-4
DISCRIMINATOR_LEARNING_RATE = 1e-4
# The part of a bounded run over which the learning rate falls.
SETTLING = 0.35
AVERAGE_DECAY = 0.999
CODE_PHOTOS = 2048


class Losses(NamedTuple):
    """One step's losses, each before its weight."""

    feature: float
    pixel: float
    classes: float
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
        self.step_count = 0
        self.generator = Generator().to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.encoder, channel_std = self._look_at_photos()
        distributed.same_everywhere([self.encoder.mean, self.encoder.whiten, *channel_std])
        self.discriminator = Discriminator(channel_std).to(device, memory_format=torch.channels_last)
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), LEARNING_RATE, (0.5, 0.99))
        self.d_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_LEARNING_RATE, (0.0, 0.99)
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def _look_at_photos(self) -> tuple[Encoder, list[torch.Tensor]]:
        """The code's whitening and the feature channels' standard deviations, from photos."""
        pooled, stds = [], []
        n = min(CODE_PHOTOS, 4 * len(self.pictures))
        for photos in self.pictures.sample(n, np.random.default_rng(0), 32):
            features = self.classifier.features(photos.to(self.device))
            pooled.append(Encoder.pool(features[-1]))
            stds.append([f.std((0, 2, 3)) for f in features])
        encoder = Encoder.fit(self.classifier, torch.cat(pooled)).to(self.device)
        return encoder, [torch.stack(s).mean(0) for s in zip(*stds)]

    def settle(self, done: float) -> None:
        """Lower the learning rates over the last part of a run; done: the share of it that is over, 0..1."""
        left = min(1.0, (1 - min(1.0, done)) / SETTLING)
        for optimiser, rate in (
            (self.g_optimiser, LEARNING_RATE),
            (self.d_optimiser, DISCRIMINATOR_LEARNING_RATE),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * max(0.05, left)

    def step(self) -> Losses:
        """One update of both sides on one (joint) batch of photos."""
        n = self.batch_size
        strength = min(1.0, max(0.0, (self.step_count - WARM_UP_STEPS) / FADE_IN_STEPS))
        photos = self.pictures.batch(n, self.rng, distributed.share(n))
        photos = photos.to(self.device, memory_format=torch.channels_last)
        photo_views = views.draw(n, self.rng)[distributed.share(n)]

        with self._autocast():
            with torch.no_grad():
                codes = self.encoder(photos)
                middles = self._in_betweens(codes)
                real = self.classifier.features(views.look(photos, photo_views))
                classes = self.classifier.net.pooled(real[-1])
            middle_views = views.draw(n - n // 2, self.rng)[distributed.share(n - n // 2)]
            # Every second photo, so that the shares of several processes make up one process's half.
            shown = slice(None, None, 2 if strength else 1)
            n_shown = len(codes[shown])
            made = self.generator(torch.cat([codes[shown], middles]) if strength else codes)
            made_views = torch.cat([photo_views[shown], middle_views]) if strength else photo_views
            features = self.classifier.features(views.look(made, made_views))
            rebuilt = [f[:n_shown] for f in features]
            feature_loss = feature_distance(rebuilt, [f[shown] for f in real])
            pooled = self.classifier.net.pooled(rebuilt[-1])
            pooled_loss, class_loss = self._class_distance(pooled, classes[shown])
            pixel_loss = pixel_distance(made[:n_shown].float(), photos[shown])
            loss = RECONSTRUCTION_WEIGHT * (feature_loss + pixel_loss)
            loss = loss + POOLED_WEIGHT * pooled_loss + CLASS_WEIGHT * class_loss
            g_loss = d_loss = torch.zeros(())
            if strength:
                self.discriminator.requires_grad_(False)
                g_loss = -self.discriminator(features).float().mean()
                loss = loss + ADVERSARIAL_WEIGHT * strength * g_loss
        self._update(self.generator, self.g_optimiser, loss)

        if strength:
            self.discriminator.requires_grad_(True)
            with self._autocast():
                logits_real = self.discriminator(real).float()
                logits_made = self.discriminator([f.detach() for f in features]).float()
                d_loss = hinge_real(logits_real) + hinge_made(logits_made)
            self._update(self.discriminator, self.d_optimiser, d_loss)

        self._update_average()
        self.step_count += 1
        return Losses(
            *distributed.average([x.item() for x in (feature_loss, pixel_loss, class_loss, g_loss, d_loss)])
        )

    def _class_distance(self, made: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of pooled features [n, 1280]: cosine distance, and Kullback-Leibler divergence of the classes."""
        cosine = 1 - F.cosine_similarity(made.float(), real.float(), dim=1).mean()
        made_log, real_log = (self.classifier.net.classify(x).float().log_softmax(1) for x in (made, real))
        return cosine, F.kl_div(made_log, real_log, reduction="batchmean", log_target=True)

    def _in_betweens(self, codes: torch.Tensor) -> torch.Tensor:
        """This process's share of random points between pairs of the joint batch's codes."""
        n = self.batch_size
        everyones = distributed.gather(codes)
        first = torch.from_numpy(self.rng.permutation(n)[: n - n // 2])
        second = (first + torch.from_numpy(self.rng.integers(1, n, len(first)))) % n
        t = torch.from_numpy(self.rng.random((len(first), 1), np.float32)).to(codes.device)
        return between(everyones[first], everyones[second], t)[distributed.share(len(first))]

    @staticmethod
    def _update(network: nn.Module, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(network.parameters())
        optimiser.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.step_count) / (10 + self.step_count))
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
        return {"steps": str(self.step_count), "pictures_seen": str(self.step_count * self.batch_size)}

    def save_checkpoint(self, path: Path) -> None:
        """Everything that `restore` needs to go on."""
        modules = {"generator": self.generator, "average": self.average, "discriminator": self.discriminator}
        tensors = {f"{name}.{k}": t for name, m in modules.items() for k, t in m.state_dict().items()}
        tensors |= {"encoder.mean": self.encoder.mean, "encoder.whiten": self.encoder.whiten}
        for name, optimiser in self._optimisers().items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}.{index}.{k}": v for k, v in state.items()}
        weights.save(path, "checkpoint", tensors, self._metadata(), half=False)

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"g_optimiser": self.g_optimiser, "d_optimiser": self.d_optimiser}

    def restore(self, path: Path) -> None:
        """Go on from `save_checkpoint`. Raises UserError if the file isn't one."""
        tensors, metadata = weights.load(path, "checkpoint")
        for name in ("generator", "average", "discriminator", "encoder"):
            getattr(self, name).load_state_dict(strip_prefix(tensors, f"{name}."), strict=name != "encoder")
        for name, optimiser in self._optimisers().items():
            saved = optimiser.state_dict()
            for key, value in strip_prefix(tensors, f"{name}.").items():
                index, field = key.split(".")
                saved["state"].setdefault(int(index), {})[field] = value
            optimiser.load_state_dict(saved)
        self.step_count = int(metadata["steps"])
        self.rng = np.random.default_rng([self.step_count, 1])

    @torch.no_grad()
    def preview(self, path: Path, columns: int = 8) -> None:
        """A sheet: photos, their reconstructions, in-betweens, reconstructions, photos."""
        photos = self.pictures.batch(2 * columns, np.random.default_rng(7)).to(self.device)
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
