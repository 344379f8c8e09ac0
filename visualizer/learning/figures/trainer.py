"""The figure's trainer: draw people from their pose, in their own colours and of other matter.

A third of each batch shows people of the photos as they are, the others are of matter that is drawn by the
generator; both lifted out of a calm ground (`staging`). What is drawn is compared by the features of two
networks, most of all within the person; by their means and spreads there, as places of petals can't be
known; by the pose that is found in it; and by discriminators that know the pose (pix2pix: Isola et al.
2017, arXiv:1611.07004).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.learning import optimising
from visualizer.learning.discriminator import Discriminator, hinge_made, hinge_real
from visualizer.learning.encoder import Encoder
from visualizer.learning.eyes import JUDGED, N_CLASSIFIER_MAPS, Eyes
from visualizer.learning.figures.people import People
from visualizer.learning.figures.pose_loss import PoseLoss
from visualizer.learning.figures.staging import staged
from visualizer.learning.pictures import to_tensor
from visualizer.neural.figure import LIMBS, MARKS, Figure, FigureBlock, Maps
from visualizer.neural.generator import PICTURE_SIZE, Generator, strip_prefix
from visualizer.neural.layout import channels_last, to_uint8
from visualizer.neural.precision import fast_numbers

FEATURE_WEIGHT, OTHERS_WEIGHT, PIXEL_WEIGHT, SPREAD_WEIGHT = 4.0, 3.0, 4.0, 2.0
POSE_WEIGHT, ADVERSARIAL_WEIGHT = 1.2, 0.35
# A pixel of the person counts so much more than one of the ground, and one of the head still more: by faces
# people are found, and front is told from back.
WITHIN, HEAD = 3.0, 7.0
# Of a batch, the people who are as they are; the others are of other matter.
OWN = 3
# Of the eyes' maps, those that are compared: the second eye's finest costs as much as all others; and those
# whose spread is.
OTHER_MAPS, SPREAD_MAPS = slice(N_CLASSIFIER_MAPS + 1, None), (1, 2, 5, 6)
# Of each tensor in parts of its size, as in `trainer`; what is new learns faster.
LEARNING_RATE, NEW_PACE, RISING_STEPS = 4e-3, 2.0, 40
NEW = ("pose.", "join", "start")
DISCRIMINATOR_LEARNING_RATE = 2e-4
AVERAGE_DECAY = 0.99
# The discriminators begin after so many steps, are heeded later, and fully after so many more.
DISCRIMINATOR_STEPS, WARM_UP_STEPS, FADE_IN_STEPS = 90, 150, 200
SETTLING = 0.35
# What joins a block at first, in parts of what is there.
JOINING = 0.3
# Vectors of the bank whose pictures are matter.
MATTERS = 200
# How deep pixels lie in limbs, the marks and the body: what discriminators are told of a pose.
TOLD = len(LIMBS) + len(MARKS) + 1
LEARNING = ("figure", "average", "discriminator")


class Losses(NamedTuple):
    """One step's losses, each before its weight."""

    feature: float
    others: float
    pixel: float
    spread: float
    pose: float
    adversarial: float
    discriminator: float

    def __str__(self) -> str:
        return (
            f"features {self.feature:.3f} and {self.others:.3f}, pixels {self.pixel:.3f}, spread "
            f"{self.spread:.3f}, pose {self.pose:.3f}, G {self.adversarial:+.2f}, D {self.discriminator:.2f}"
        )


class FigureTrainer:
    """The networks, their optimisers and one `step`."""

    def __init__(
        self,
        people: People,
        bank: Bank,
        generator: Path,
        eyes: Eyes,
        pose_loss: PoseLoss,
        batch_size: int,
        seed: int,
        device: torch.device,
    ):
        """bank: whose pictures, drawn by the generator of a file, are matter. batch_size: an even number."""
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.device, self.batch_size, self.people, self._pose_loss = device, batch_size, people, pose_loss
        self.step_count = self.first_step = 0
        self.eyes = eyes
        self.encoder = Encoder.load(generator, eyes.classifier).to(device)
        self._maps = Maps().to(device)
        drawing = Generator.load(generator).to(device)
        self._draw_matter(drawing, bank)
        self._learn(self._begun(drawing))
        stds = self._stds
        told = [torch.cat([stds[i], stds[i].new_full((TOLD,), 1 / 3)]) for i in JUDGED]
        self.discriminator = channels_last(Discriminator(told).to(device))
        self.d_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_LEARNING_RATE, (0.0, 0.99)
        )

    @torch.no_grad()
    def _draw_matter(self, generator: Generator, bank: Bank) -> None:
        """Codes [m, 4096] and their pictures [m, 256, 256, 3] uint8."""
        chosen = np.random.default_rng(0).permutation(len(bank))[:MATTERS]
        self._codes = torch.from_numpy(bank.codes[chosen]).to(self.device)
        with fast_numbers(self.device):
            drawn = [to_uint8(generator(codes)) for codes in self._codes.split(8)]
        self._matter = torch.from_numpy(np.concatenate(drawn))

    @torch.no_grad()
    def _begun(self, generator: Generator) -> Figure:
        """A figure that draws as the generator does, and which a pose joins a little."""
        figure = Figure(generator.channels, generator.refined).to(self.device)
        state = generator.state_dict()
        ground = {k.replace("style", "ground"): v for k, v in state.items() if k.startswith("style.")}
        figure.load_state_dict({**figure.state_dict(), **state, **ground})
        mean = self._codes.mean(0)
        figure.start.copy_((28 * F.normalize(mean, dim=0) + 0.3 * mean).view_as(figure.start))
        targets, _, points, matter = self._batch(2 * (self.batch_size // 2))
        with fast_numbers(self.device):
            sight = self.eyes.look(targets)
        self._stds = [m.float().std((0, 2, 3)) for m in sight.maps]
        codes = torch.cat(
            [
                self.encoder.from_features(sight.maps[N_CLASSIFIER_MAPS - 1])[: len(targets) - len(matter)],
                matter,
            ]
        )
        x = maps = self._maps(points)
        for conv in figure.pose:
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.zeros_(conv.bias)
            made = conv(x)
            std = made.std((0, 2, 3)) + 1e-5
            conv.weight.div_(std[:, None, None, None])
            conv.bias.sub_(made.mean((0, 2, 3)) / std)
            x = F.leaky_relu(conv(x), 0.2)
        spreads: list[torch.Tensor] = []
        hooks = []
        for block in figure.blocks:
            assert isinstance(block, FigureBlock)
            nn.init.zeros_(block.join.weight)
            nn.init.zeros_(block.join.bias)  # type: ignore[arg-type]
            hooks.append(block.conv1.register_forward_hook(lambda _m, _i, made: spreads.append(made.std())))
        figure(points, codes)
        for hook in hooks:
            hook.remove()
        for block, pose, spread in zip(figure.blocks, figure.read(maps)[0], spreads):
            assert isinstance(block, FigureBlock)
            nn.init.normal_(block.join.weight)
            block.join.weight.mul_(JOINING * spread / block.join(pose).std())
        return figure

    def _learn(self, figure: Figure) -> None:
        """Let this figure be the one that learns."""
        self.figure = channels_last(figure.to(self.device)).requires_grad_(True)
        self.average = copy.deepcopy(self.figure).requires_grad_(False)
        groups = []
        for name, parameter in self.figure.named_parameters():
            pace = NEW_PACE if any(part in name for part in NEW) else 1.0
            groups.append({"params": [parameter], "size": pace * optimising.size(parameter)})
        self.g_optimiser = torch.optim.Adam(groups, LEARNING_RATE, (0.5, 0.99))

    def start_from(self, path: Path) -> None:
        """Start from a trained figure. Raises UserError if the file holds none."""
        self._learn(Figure.load(path))
        self.step_count = self.first_step = int(weights.load(path, "figure")[1]["steps"])

    def _batch(self, n: int) -> tuple[torch.Tensor, ...]:
        """(pictures to draw [n, 3, 256, 256], masks, points, codes of the later ones' matter)."""
        pictures, masks, points = (part.to(self.device) for part in self.people.batch(n, self.rng))
        own = n // OWN
        chosen = torch.from_numpy(self.rng.integers(0, len(self._matter), n - own))
        matter = to_tensor(self._matter[chosen]).to(self.device)
        heads = _heads(self._maps(points[own:]))
        targets = [staged(pictures[:own], masks[:own]), staged(pictures[own:], masks[own:], matter, heads)]
        return (
            torch.cat(targets).contiguous(memory_format=torch.channels_last),
            masks,
            points,
            self._codes[chosen],
        )

    @property
    def steps_here(self) -> int:
        """Steps taken since the figure that it started from, or since the generator."""
        return self.step_count - self.first_step

    def settle(self, done: float) -> None:
        """Lower the learning rates over the last part of a run; done: the share of it that is over, 0..1."""
        rising = min(1.0, (self.steps_here + 1) / RISING_STEPS)
        rates = (
            (self.g_optimiser, LEARNING_RATE * rising),
            (self.d_optimiser, DISCRIMINATOR_LEARNING_RATE),
        )
        optimising.settle(rates, done, SETTLING)

    def step(self) -> Losses:
        """One update of both sides."""
        targets, masks, points, matter = self._batch(self.batch_size)
        own = len(targets) - len(matter)
        strength = min(1.0, max(0.0, (self.steps_here - WARM_UP_STEPS) / FADE_IN_STEPS))
        g_loss = d_loss = torch.zeros((), device=self.device)
        with fast_numbers(self.device):
            with torch.no_grad():
                real = self.eyes.look(targets)
                codes = self.encoder.from_features(real.maps[N_CLASSIFIER_MAPS - 1])[:own]
                maps = self._maps(points)
            made = self.figure(points, torch.cat([codes, matter])).float()
            seen = self.eyes.look(made)
            weight = 1 + WITHIN * masks + HEAD * _heads(maps)
            parts = (slice(N_CLASSIFIER_MAPS), OTHER_MAPS)
            feature, others = (_distance(seen.maps[part], real.maps[part], weight) for part in parts)
            pixel = (
                2
                * ((F.avg_pool2d(made, 4) - F.avg_pool2d(targets, 4)).abs() * F.avg_pool2d(weight, 4)).mean()
            )
            seen_maps, real_maps = ([sight.maps[i] for i in SPREAD_MAPS] for sight in (seen, real))
            spread = _spread_distance(seen_maps, real_maps, masks)
            pose = self._pose_loss(made[own:], points[own:])
            loss = FEATURE_WEIGHT * feature + OTHERS_WEIGHT * others + PIXEL_WEIGHT * pixel
            loss = loss + SPREAD_WEIGHT * spread + POSE_WEIGHT * pose
            if strength:
                self.discriminator.requires_grad_(False)
                g_loss = -self.discriminator(_told(maps, seen.judged)).float().mean()
                loss = loss + ADVERSARIAL_WEIGHT * strength * g_loss
        optimising.update(self.figure, self.g_optimiser, loss)
        optimising.follow(self.average, self.figure, AVERAGE_DECAY, self.steps_here)
        if self.steps_here >= DISCRIMINATOR_STEPS:
            self.discriminator.requires_grad_(True)
            with fast_numbers(self.device):
                d_loss = hinge_real(self.discriminator(_told(maps, real.judged)).float())
                made_maps = [f.detach() for f in seen.judged]
                d_loss = d_loss + hinge_made(self.discriminator(_told(maps, made_maps)).float())
            optimising.update(self.discriminator, self.d_optimiser, d_loss)
        self.step_count += 1
        losses = (feature, others, pixel, spread, pose, g_loss, d_loss)
        return Losses(*torch.stack([part.detach().float() for part in losses]).tolist())

    def save_network(self, path: Path) -> None:
        """The averaged figure and the encoder's whitening: what the program uses."""
        tensors = {f"figure.{k}": t for k, t in self.average.state_dict().items()}
        tensors |= {"encoder.mean": self.encoder.mean, "encoder.whiten": self.encoder.whiten}
        weights.save(path, "figure", tensors, {"steps": str(self.step_count)})

    def save_checkpoint(self, path: Path) -> None:
        """Everything that `restore` needs to go on."""
        tensors = {f"{name}.{k}": t for name in LEARNING for k, t in getattr(self, name).state_dict().items()}
        tensors |= optimising.kept(self._optimisers())
        steps = {"steps": str(self.step_count), "first_step": str(self.first_step)}
        weights.save(path, "figure checkpoint", tensors, steps, half=False)

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"g_optimiser": self.g_optimiser, "d_optimiser": self.d_optimiser}

    def restore(self, path: Path) -> None:
        """Go on from `save_checkpoint`. Raises UserError if the file isn't one."""
        tensors, metadata = weights.load(path, "figure checkpoint")
        try:
            self._learn(Figure.of(strip_prefix(tensors, "figure.")))
            for name in LEARNING:
                getattr(self, name).load_state_dict(strip_prefix(tensors, f"{name}."))
        except (KeyError, RuntimeError):
            raise UserError(
                f"{path} is a checkpoint of another version, whose networks have other sizes; start without "
                f"--resume."
            ) from None
        optimising.restore(self._optimisers(), tensors)
        self.step_count, self.first_step = int(metadata["steps"]), int(metadata["first_step"])
        self.rng = np.random.default_rng([self.step_count, 1])

    @torch.no_grad()
    def preview(self, path: Path, columns: int = 8) -> None:
        """A sheet: people held out, as they should be, drawn, drawn of four matters, and between the first
        two."""
        rows = torch.cat([self.people.held_out, self.people.training])[:columns]
        pictures, masks, points = (part.to(self.device) for part in self.people.batch(0, self.rng, rows))
        wanted = staged(pictures, masks)
        codes = self._codes[:: len(self._codes) // 4][:4]
        t = torch.linspace(0, 1, len(rows), device=self.device)[:, None, None]
        with fast_numbers(self.device):
            shown = [pictures, wanted, self.average(points, self.encoder(wanted))]
            shown += [self.average(points, code.expand(len(rows), -1)) for code in codes]
            between = torch.lerp(points[:1], points[1:2], t)
            shown.append(self.average(between, codes[:1].expand(len(rows), -1)))
        sheet = np.concatenate([np.concatenate(list(to_uint8(row)), axis=1) for row in shown])
        half = (sheet.shape[1] // 2, sheet.shape[0] // 2)
        Image.fromarray(sheet).resize(half, Image.Resampling.LANCZOS).save(path)


def _heads(maps: torch.Tensor) -> torch.Tensor:
    """[n, 1, 256, 256] how deep pixels lie in the head, 0..1."""
    return F.interpolate(maps[:, :1].clamp(min=0), size=PICTURE_SIZE, mode="bilinear").sqrt()


def _told(maps: torch.Tensor, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Feature maps together with the pose's of their size."""
    told = maps[:, :TOLD]
    return [
        torch.cat([f.float(), F.interpolate(told, size=f.shape[2:], mode="bilinear", antialias=True)], 1)
        for f in features
    ]


def _distance(made: list[torch.Tensor], real: list[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
    """`eyes.feature_distance`, its places weighted [n, 1, h, w]."""
    distances = []
    for m, r in zip(made, real):
        away = 1 - F.cosine_similarity(m.float(), r.float(), dim=1)
        here = F.adaptive_avg_pool2d(weight, (away.shape[1], away.shape[2]))[:, 0]
        distances.append((away * here).sum() / here.sum())
    return torch.stack(distances).mean()


def _spread_distance(made: list[torch.Tensor], real: list[torch.Tensor], masks: torch.Tensor) -> torch.Tensor:
    """How far means and standard deviations of features within masks are off, in parts of what is usual (as
    styles are compared: Li et al. 2017, arXiv:1701.01036)."""
    total = torch.zeros((), device=masks.device)
    for maps in zip(made, real):
        here = F.adaptive_avg_pool2d(masks, (maps[0].shape[2], maps[0].shape[3]))
        here = here / here.sum((2, 3), keepdim=True).clamp(min=1e-3)
        means = [(m.float() * here).sum((2, 3)) for m in maps]
        stds = [
            (((m.float() - mean[:, :, None, None]) ** 2 * here).sum((2, 3)).clamp(min=1e-8)).sqrt()
            for m, mean in zip(maps, means)
        ]
        usual = means[1].abs().mean() + stds[1].mean()
        total = total + sum((a - b).abs().mean() for a, b in (means, stds)) / usual
    return total / len(made)
