"""Make a generator slimmer: fewer channels and convolutions for nearly the same pictures.

    python tests/slim_generator.py LARGE.safetensors -o SLIM.safetensors FOLDER... [--minutes 30]
        [--from START] [--channels 192 128 64 48 16] [--refined 1] [--seed 0] [--rate 0.003]
        [--batch-size 8] [--photos 950] [--compute cpu]

The channels that matter least to the layer after them are left out (after Li et al. 2017,
arXiv:1608.08710); what is left learns to draw the large generator's pictures (distillation: Hinton et
al. 2015, arXiv:1503.02531) of the codes of photos, of the shipped bank, of what lies between them, and of
mixtures, shape of one and matter of another, as pixels and as networks see fine detail; what is drawn in
256×256 where the large one draws 512×512 is compared with that made smaller. `visualizer train --from` can go
on with the outcome. --from starts from a generator that is slimmer already. Ctrl-C ends it early and saves;
--from goes on.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from fine_features import FineFeatures

from visualizer.common import assets, weights
from visualizer.common.progress import bar
from visualizer.latent.bank import Bank
from visualizer.learning import optimising, photo, pictures
from visualizer.learning.classifier import Classifier
from visualizer.learning.encoder import Encoder
from visualizer.learning.eyes import for_classifiers
from visualizer.learning.trainer import between
from visualizer.neural.generator import (
    CHANNELS,
    CODE_CHANNELS,
    REFINED,
    Generator,
    UpBlock,
    fold_upsampling,
)
from visualizer.neural.inference import choose_device
from visualizer.neural.layout import channels_last
from visualizer.neural.precision import fast_numbers

# Part of the codes that are not in between.
WHOLE = 0.15
# Part of the batches whose matter is another's than their shape.
MIXED = 1 / 3
WARM_UP = 50
# Beside a difference of pixels on 0..255; or what can't be drawn exactly becomes soft.
FEATURE_WEIGHT = 50.0


class Codes:
    """An endless supply of codes: half of photos, half of a bank, mostly in between."""

    def __init__(self, folders: list[Path], most: int, generator: Path, seed: int, device: torch.device):
        """most: photos of each folder."""
        self.device = device
        self.rng = np.random.default_rng(seed)
        encoder = Encoder.load(generator, Classifier.load(assets.model("classifier.safetensors")))
        chosen: list[Path] = []
        for folder in folders:
            paths, _ = pictures.split(pictures.find(folder))
            chosen += [paths[i] for i in self.rng.permutation(len(paths))[:most]]
        with torch.no_grad(), bar(len(chosen), "encoding", "photo") as progress:
            photos = []
            for i in range(0, len(chosen), 16):
                read = np.stack([photo.read(p, 256) for p in chosen[i : i + 16]])
                photos.append(encoder(pictures.to_tensor(read)))
                progress.update(len(read))
        bank = torch.from_numpy(Bank.load(assets.model("bank.safetensors")).codes)
        self.sources = [torch.cat(photos), bank]

    def _some(self, n: int) -> torch.Tensor:
        picks = [source[self.rng.integers(0, len(source), n)] for source in self.sources]
        return torch.where(torch.from_numpy(self.rng.random((n, 1)) < 0.5), *picks)

    def shape_and_matter(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes [n, 4096] of both: the same, or in a third of all cases each other's."""
        shape = self.draw(n)
        return shape, self.draw(n) if self.rng.random() < MIXED else shape

    def draw(self, n: int) -> torch.Tensor:
        """Codes [n, 4096]."""
        t = self.rng.random((n, 1), np.float32)
        t[self.rng.random((n, 1)) < WHOLE] = 0
        return between(self._some(n), self._some(n), torch.from_numpy(t)).to(self.device)


@torch.no_grad()
def slimmer(generator: Generator, channels: list[int], refined: int, codes: torch.Tensor) -> Generator:
    """A copy with the channels that matter most, and the third convolutions of the first blocks only.

    A channel matters by its standard deviation times the size of the filters that read it.
    """
    spread: dict[torch.nn.Module, torch.Tensor] = {}

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        spread[module] = inputs[0].std((0, 2, 3))

    readers = [b.conv2 for b in generator.blocks] + [b.conv1 for b in generator.blocks] + [generator.to_rgb]
    hooks = [reader.register_forward_hook(note) for reader in readers]
    generator(codes)
    for hook in hooks:
        hook.remove()

    def best(reader: torch.nn.Module, n: int) -> torch.Tensor:
        weight = reader.weight
        assert isinstance(weight, torch.Tensor)
        matters = spread[reader] * weight.square().sum((0, 2, 3)).sqrt()
        return matters.topk(n).indices.sort().values

    slim = Generator(channels, refined).eval()
    slim.style.load_state_dict(generator.style.state_dict())
    inputs = torch.arange(CODE_CHANNELS)
    for i, (old, new, n) in enumerate(zip(generator.blocks, slim.blocks, channels, strict=True)):
        assert isinstance(old, UpBlock) and isinstance(new, UpBlock)
        after = generator.blocks[i + 1].conv1 if i + 1 < len(channels) else generator.to_rgb
        middle, outputs = best(old.conv2, n), best(after, n)
        new.modulate.weight.copy_(torch.cat([half[middle] for half in old.modulate.weight.chunk(2)]))
        new.modulate.bias.copy_(torch.cat([half[middle] for half in old.modulate.bias.chunk(2)]))
        for k, (rows, columns) in enumerate(((middle, inputs), (outputs, middle), (outputs, outputs)), 1):
            if hasattr(new, f"conv{k}"):
                getattr(new, f"conv{k}").weight.copy_(getattr(old, f"conv{k}").weight[rows][:, columns])
                getattr(new, f"conv{k}").bias.copy_(getattr(old, f"conv{k}").bias[rows])
        inputs = outputs
    slim.to_rgb.weight.copy_(generator.to_rgb.weight[:, inputs])
    slim.to_rgb.bias.copy_(generator.to_rgb.bias)
    return slim


def learn(
    slim: Generator, large: Generator, codes: Codes, batch_size: int, minutes: float, rate: float
) -> Iterator[float]:
    """Draw what the large one draws, for so long; yields each step's mean difference on 0..255.

    rate: of learning, for each tensor in parts of its size; it falls evenly, to a twentieth.
    """
    channels_last(slim.to(codes.device)).requires_grad_(True)
    large = channels_last(fold_upsampling(large).to(codes.device))
    optimiser = optimising.adam(slim.parameters(), rate, (0.9, 0.99))
    begun, step, features = time.monotonic(), 0, FineFeatures(codes.device)
    while (done := (time.monotonic() - begun) / 60 / minutes) < 1:
        step += 1
        optimising.settle([(optimiser, rate * min(1, step / WARM_UP))], done, 1)
        shape, matter = codes.shape_and_matter(batch_size)
        with fast_numbers(codes.device):
            with torch.no_grad():
                goal = for_classifiers(large(shape, matter).float())
            made = slim(shape, matter).float()
        loss = 255 * F.l1_loss(made, goal)
        optimiser.zero_grad()
        (loss + FEATURE_WEIGHT * features.distance(made, goal)).backward()
        optimiser.step()
        yield loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("large", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path)
    parser.add_argument("--channels", type=int, nargs=len(CHANNELS), default=list(CHANNELS))
    parser.add_argument("--refined", type=int, default=REFINED)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--photos", type=int, default=950, help="of each folder")
    parser.add_argument("--compute", choices=("auto", "cpu", "cuda"), default="auto")
    args = parser.parse_args()
    tensors, metadata = weights.load(args.large, "generator")
    large = Generator.load(args.large)
    codes = Codes(args.folders, args.photos, args.large, args.seed, choose_device(args.compute))
    start = Generator.load(args.start or args.large)
    slim = slimmer(start, args.channels, args.refined, codes.draw(64).cpu())
    recent, steps = 0.0, 0
    try:
        with bar(None, "slimming", "step") as progress:
            for loss in learn(slim, large, codes, args.batch_size, args.minutes, args.rate):
                steps += 1
                recent = loss if steps == 1 else recent + 0.03 * (loss - recent)
                progress.set_postfix_str(f"{recent:.2f} of 255")
                progress.update()
    except KeyboardInterrupt:
        pass
    kept = {k: t for k, t in tensors.items() if not k.startswith("generator.")}
    kept |= {f"generator.{k}": t.cpu() for k, t in slim.state_dict().items()}
    weights.save(args.output, "generator", kept, metadata)
    print(f"{args.output}: {steps} steps, {recent:.2f} of 255 from the large one's pictures")


if __name__ == "__main__":
    main()
