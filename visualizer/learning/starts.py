"""Where dreams begin, and what of: photos, a bank or its neighbourhood, random codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.learning.encoder import Encoder
from visualizer.learning.photo import try_read
from visualizer.learning.pictures import find, to_tensor
from visualizer.neural.generator import CODE_CHANNELS, PICTURE_SIZE
from visualizer.neural.precision import fast_numbers
from visualizer.neural.stylegan.imported import TRUNCATION, StyleGan

BATCH_SIZE = 24
# Photos that are looked at when each class wants those nearest to it.
MOST_PHOTOS = 2000
# Photos by which the region is known where codes live.
SAMPLE = 96
# Of starts without photos, this part are random codes; the others are neighbours of a bank's vectors, of one
# of those so many that are of the nearest classes.
RANDOM = 0.25
RELATED = 4
# How much of a neighbour comes from the bank's vector; the rest is noise.
NEARNESS = 0.85


def near(codes: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """[n, 4096] codes a little off, by as many codes of noise; their spread stays the same."""
    return NEARNESS * codes + (1 - NEARNESS**2) ** 0.5 * noise


def random_starts(n: int, seed: int, device: torch.device) -> torch.Tensor:
    """[n, 4096] codes with the spread of encoded photos: smooth over space, unit variance."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, CODE_CHANNELS, 1, 1, generator=rng).expand(-1, -1, 4, 4)
    fine = torch.randn(n, CODE_CHANNELS, 4, 4, generator=rng)
    return ((coarse + fine) / 2**0.5).flatten(1).to(device)


def random_w(network: StyleGan, n: int, seed: int, device: torch.device) -> torch.Tensor:
    """[n, d] codes of a StyleGAN's random z, moderately strong."""
    return network.random_codes(n, seed, TRUNCATION)[0].to(device)


Noise = Callable[[int, int, torch.device], torch.Tensor]
"""(how many, seed, where) to random codes [n, d]."""


class Starts(ABC):
    """A source of starts, which depends on nothing but its seed and what it is told."""

    @abstractmethod
    def sample(self) -> torch.Tensor:
        """[n, 4096] codes that are typical of what the generator draws well."""

    def styles(self, first: int, n: int) -> np.ndarray | None:
        """[n] places in `STYLES` that the climbs numbered from `first` on are meant for, if any are."""
        return None

    @abstractmethod
    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """(codes [n, 4096], classes [n]) of the climbs numbered from `first` on.

        tried: [1000], how often each class has been climbed to so far.
        """


class Photos:
    """Photos of folders, each folder drawn from equally often; a folder named twice, twice as often."""

    def __init__(self, folders: Sequence[Path], encoder: Encoder, device: torch.device, seed: int):
        """Raises UserError if a folder holds no pictures."""
        rng = np.random.default_rng([seed, 1])
        unique = list(dict.fromkeys(folders))
        self._slots = [unique.index(folder) for folder in folders]
        self._orders = []
        for folder in unique:
            paths = find(folder)
            if not paths:
                raise UserError(f"{folder} holds no pictures; give a folder of photos.")
            self._orders.append([paths[i] for i in rng.permutation(len(paths))])
        self._encoder, self._device = encoder, device

    def __len__(self) -> int:
        return sum(len(order) for order in self._orders)

    def path(self, number: int) -> Path:
        """The photo of a number, from 0 without end; none comes again before its folder is through."""
        turn, slot = divmod(number, len(self._slots))
        order = self._orders[self._slots[slot]]
        share, earlier = (slots.count(self._slots[slot]) for slots in (self._slots, self._slots[:slot]))
        return order[(turn * share + earlier) % len(order)]

    @torch.no_grad()
    def read(self, first: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(codes [n, 4096], logits [n, 1000]) of photos; a broken one is replaced by the next that is not."""
        pictures = []
        for number in range(first, first + n):
            for other in range(number, number + 1000):
                picture = try_read(self.path(other), PICTURE_SIZE)
                if picture is not None:
                    break
            else:
                raise UserError(f"{self.path(number).parent} holds no readable pictures; give photos.")
            pictures.append(picture)
        images = to_tensor(np.stack(pictures)).to(self._device)
        net = self._encoder.classifier.net
        with fast_numbers(self._device):
            deepest = self._encoder.classifier.features(images)[-1]
            logits = net.classify(net.pooled(deepest))
        return self._encoder.from_features(deepest), logits.float()

    def read_many(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`read` of the first n, in batches."""
        batches = [self.read(i, min(BATCH_SIZE, n - i)) for i in range(0, n, BATCH_SIZE)]
        codes, logits = zip(*batches)
        return torch.cat(codes), torch.cat(logits)


class AsPhotographed(Starts):
    """Each photo in turn, climbed to what it shows; of its likeliest classes, one that is still rare."""

    LIKELIEST = 5

    def __init__(self, photos: Photos):
        self._photos = photos

    def sample(self) -> torch.Tensor:
        return self._photos.read_many(min(len(self._photos), SAMPLE))[0]

    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        codes, logits = self._photos.read(first, n)
        tried, classes = tried.copy(), []
        top = logits.softmax(1).topk(self.LIKELIEST, 1)
        for probability, candidates in zip(top.values.cpu().numpy(), top.indices.cpu().numpy()):
            chosen = int(candidates[np.argmax(probability / (1 + tried[candidates]) ** 3)])
            tried[chosen] += 1
            classes.append(chosen)
        return codes, torch.tensor(classes, device=codes.device)


class InTurn(Starts):
    """Given classes, in a random order over and over."""

    def __init__(self, classes: Sequence[int], seed: int):
        self._order = np.random.default_rng([seed, 2]).permutation(np.array(classes))

    def classes(self, first: int, n: int) -> np.ndarray:
        """The classes of n climbs numbered from `first` on."""
        return self._order[np.arange(first, first + n) % len(self._order)]


class NearestPhotos(InTurn):
    """Given classes in turn, each from the photo that shows most of it, next time from the second, …"""

    def __init__(self, classes: Sequence[int], photos: Photos, seed: int):
        super().__init__(classes, seed)
        self._codes, logits = photos.read_many(min(len(photos), MOST_PHOTOS))
        self._logits = logits.log_softmax(1)

    def sample(self) -> torch.Tensor:
        return self._codes

    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        classes = self.classes(first, n)
        rounds = np.arange(first, first + n) // len(self._order) % len(self._codes)
        nearest = self._logits[:, classes].argsort(0, descending=True)
        chosen = nearest[torch.from_numpy(rounds), torch.arange(n)]
        return self._codes[chosen], torch.from_numpy(classes).to(self._codes.device)


class BankAgain(Starts):
    """A bank's vectors in turn, each to its own class and style again, as for another generator.

    Those of no class are left out. From the second time on, a vector begins a little off.
    """

    def __init__(self, bank: Bank, device: torch.device, seed: int, noise: Noise | None = None):
        """noise: makes random codes of the bank's space; None are the own generator's.

        Raises UserError if no vector has a class.
        """
        bank = bank.take(np.flatnonzero(bank.classes >= 0))
        if not len(bank):
            raise UserError("--again needs a bank that was dreamt; this one has vectors of no class.")
        self._bank, self._device, self._seed = bank, device, seed
        self._noise = noise or random_starts
        self._codes = torch.from_numpy(bank.codes).to(device)

    def sample(self) -> torch.Tensor:
        return self._codes

    def _places(self, first: int, n: int) -> np.ndarray:
        return np.arange(first, first + n) % len(self._bank)

    def styles(self, first: int, n: int) -> np.ndarray:
        return self._bank.styles[self._places(first, n)]

    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        places = self._places(first, n)
        codes = self._codes[torch.from_numpy(places)]
        off = near(codes, self._noise(n, self._seed + first, self._device))
        again = torch.from_numpy(np.arange(first, first + n) >= len(self._bank)).to(self._device)
        classes = torch.from_numpy(self._bank.classes[places]).to(self._device)
        return torch.where(again[:, None], off, codes), classes


class BankNeighbours(InTurn):
    """Given classes in turn, from the neighbourhood of a bank's vectors of the class or a related one.

    A quarter are random codes. The classes are numbered along a tree of kinds: a near number is a
    related class.
    """

    def __init__(self, classes: Sequence[int], bank: Bank, device: torch.device, seed: int):
        super().__init__(classes, seed)
        bank = bank.take(np.flatnonzero(bank.classes >= 0))
        self._bank, self._device, self._seed = bank, device, seed
        self._codes = torch.from_numpy(bank.codes).to(device)

    def sample(self) -> torch.Tensor:
        return self._codes

    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        classes = self.classes(first, n)
        codes = random_starts(n, self._seed + first, self._device)
        rng = np.random.default_rng([self._seed, 3, first])
        related = np.abs(self._bank.classes[None] - classes[:, None]).argsort(1, kind="stable")[:, :RELATED]
        chosen = related[np.arange(n), rng.integers(0, related.shape[1], n)]
        random = torch.from_numpy(rng.random(n) < RANDOM).to(self._device)
        codes = torch.where(random[:, None], codes, near(self._codes[chosen], codes))
        return codes, torch.from_numpy(classes).to(self._device)


class RandomStarts(InTurn):
    """Given classes in turn, each from a random code of a StyleGAN."""

    def __init__(self, classes: Sequence[int], network: StyleGan, device: torch.device, seed: int):
        super().__init__(classes, seed)
        self._network, self._device, self._seed = network, device, seed

    def sample(self) -> torch.Tensor:
        return random_w(self._network, 1000, self._seed, self._device)

    def next(self, first: int, n: int, tried: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        classes = torch.from_numpy(self.classes(first, n)).to(self._device)
        return random_w(self._network, n, self._seed + 1 + first, self._device), classes
