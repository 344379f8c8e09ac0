"""Measure a bank and how music is laid over it, by the judge that nothing was climbed with.

    python tests/measure_bank.py models/bank.safetensors [--songs SONG...] [--photos FOLDER...] [--reach N]

--songs: music that the codebook was not fitted on; the distance of sounds against that of the pictures which
are shown, over 2,000 random pairs of moments of each song. --photos: how diverse the reconstructions of 1000
random photos are, to compare the bank with. --reach N: climb once to each of the first N classes of a random
order (1000 are all; on two cores that takes half an hour or more) from its nearest photo, or without --photos
from neighbours of the bank, and tell how often the judge has the class among its first five; Ctrl-C ends it
early and tells of those so far.
"""

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from visualizer.audio.codebook import SILENCE, Codebook
from visualizer.audio.listener import Listener
from visualizer.audio.song import Song, mono
from visualizer.audio.spectrum import Spectrum
from visualizer.common import assets
from visualizer.common.progress import bar
from visualizer.control import preset
from visualizer.latent import mapping
from visualizer.latent.bank import STYLES, Bank
from visualizer.latent.code import stack
from visualizer.learning import photo, pictures
from visualizer.learning.collection import STOPS
from visualizer.learning.dream import Region, climb
from visualizer.learning.dreaming import Dreamer
from visualizer.learning.efficientnet import N_CLASSES
from visualizer.learning.starts import BATCH_SIZE
from visualizer.neural.precision import fast_numbers

SEEDS = range(5)
PAIRS = 2000
PHOTOS = 1000


def unit_features(dreamer: Dreamer, *codes: torch.Tensor) -> np.ndarray:
    """[n, 1280] normalised features that the judge has of the pictures of codes, or of shape and matter."""
    batches = []
    for batch in zip(*(part.split(BATCH_SIZE) for part in codes), strict=True):
        with fast_numbers(dreamer.device):
            pooled = dreamer.judge.pooled(dreamer.generator(*batch))
        batches.append(F.normalize(pooled.float(), dim=1))
    return torch.cat(batches).numpy()


def mean_cosine(unit: np.ndarray) -> float:
    """Of all pairs of rows."""
    n = len(unit)
    return float((np.square(unit.sum(0)).sum() - n) / (n * (n - 1)))


def rows_of(bank: Bank, codes: np.ndarray) -> np.ndarray:
    """[n]: where codes that a mapping chose stand in the bank."""
    place = {code.tobytes(): i for i, code in enumerate(bank.codes)}
    return np.array([place[code.astype(np.float32).tobytes()] for code in codes])


def mappings(bank: Bank, codebook: Codebook) -> dict[str, list[np.ndarray]]:
    """Rows of the bank by cluster, of each kind of mapping for several seeds."""
    c, t = codebook.centroids, codebook.transitions
    return {
        "similar": [rows_of(bank, mapping.similar(bank, c, seed, t)) for seed in SEEDS],
        "random": [rows_of(bank, mapping.random(bank, len(codebook), seed)) for seed in SEEDS],
    }


def of_mapping(bank: Bank, codebook: Codebook, unit: np.ndarray) -> dict[str, float]:
    """The rank correlations and jumps of both kinds of mapping; mean of five seeds."""
    table = {}
    sounds = pdist(codebook.centroids)
    share = codebook.transitions / max(1, codebook.transitions.sum())
    for kind, chosen in mappings(bank, codebook).items():
        apart = [pdist(unit[rows]) for rows in chosen]
        agree = [spearmanr(sounds, d).statistic for d in apart]
        table[f"Spearman sound/picture, {kind}"] = np.mean(agree)
        table[f"Spearman sound/picture, {kind}, worst seed"] = min(agree)
        jumps = [(squareform(d) * share).sum() / d.mean() for d in apart]
        table[f"jump to what follows / mean distance, {kind}"] = np.mean(jumps)
    times = []
    for seed in SEEDS:
        begun = time.perf_counter()
        mapping.similar(bank, codebook.centroids, seed, codebook.transitions)
        times.append(time.perf_counter() - begun)
    table["ms to work out similar"] = 1000 * float(np.median(times))
    return table


def of_song(song: Path, dreamer: Dreamer, bank: Bank, codebook: Codebook) -> dict[str, float]:
    """Sounds against the pictures that the preset "everything" shows at that moment, by either mapping."""
    look = preset.load(preset.find("everything"))
    samples = np.concatenate([mono(block) for block in Song(song, 0, 120)])
    bands = np.array([window.bands.copy() for window in Spectrum(codebook.settings).push(samples)])
    events = list(Listener(codebook).push(samples))
    rng = np.random.default_rng(0)
    heard = np.array([i for i, e in enumerate(events) if e.cluster != SILENCE and e.time > 2])
    moments = np.unique(rng.choice(heard, 400))
    pairs = rng.choice(len(moments), (2 * PAIRS, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]][:PAIRS]
    sound = np.linalg.norm(bands[moments[pairs[:, 0]]] - bands[moments[pairs[:, 1]]], axis=1)
    table = {}
    for kind in ("similar", "random"):
        dealt = look.model_copy(update={"mapping": look.mapping.model_copy(update={"kind": kind})})
        motion = dealt.motion(dealt.targets(bank, codebook))
        codes, wanted = [], set(moments.tolist())
        for i, event in enumerate(events):
            motion.hear(event)
            if i in wanted:
                codes.append(motion.code(event.time))
        unit = unit_features(dreamer, *map(torch.from_numpy, stack(codes)))
        picture = np.linalg.norm(unit[pairs[:, 0]] - unit[pairs[:, 1]], axis=1)
        table[f"{song.name}, Spearman of what is shown, {kind}"] = spearmanr(sound, picture).statistic
    return table


def reach(dreamer: Dreamer, photos: list[Path], n: int, seed: int) -> tuple[dict[str, float], list[str]]:
    """One concrete climb to each of n classes: (figures, the classes that the judge doesn't see)."""
    starts = dreamer.starts(range(N_CLASSES), photos, seed)
    region = Region.around(starts.sample())
    begun, climbed, first_five, first, arrived, missed = time.perf_counter(), 0, 0, 0, 0, []
    with suppress(KeyboardInterrupt), bar(n, "reaching", "class") as progress_bar:
        for i in range(0, n, BATCH_SIZE):
            codes, classes = starts.next(i, min(BATCH_SIZE, n - i), np.zeros(N_CLASSES, np.int64))
            aims = torch.full((len(codes),), STOPS["concrete"], device=codes.device)
            with torch.enable_grad():
                done = climb(
                    dreamer.generator, dreamer.classifier, codes, classes, aims, region, seed=seed + i
                )
            logits = dreamer.judge(dreamer.generator(done.codes.half().float()))
            rank = (logits > logits.gather(1, classes[:, None])).sum(1)
            climbed += len(codes)
            first_five += int((rank < 5).sum())
            first += int((rank < 1).sum())
            arrived += int((done.probability >= STOPS["concrete"]).sum())
            missed += [dreamer.classifier.labels[c] for c in classes[rank >= 5].tolist()]
            progress_bar.update(len(codes))
    figures = {
        "classes climbed to": climbed,
        "of these reached, judge's top 5": first_five,
        "of these judge's top 1": first,
        "of these climbed to 0.8": arrived,
        "minutes": (time.perf_counter() - begun) / 60,
    }
    return figures, missed


@torch.no_grad()
def measure(path: Path, songs: list[Path], photos: list[Path], n_reach: int, seed: int) -> dict:
    """The table, one entry for each line."""
    bank, codebook = Bank.load(path), Codebook.load(assets.model("codebook.safetensors"))
    dreamer = Dreamer(torch.device("cpu"))
    unit = unit_features(dreamer, torch.from_numpy(bank.codes))
    closest = unit @ unit.T - 2 * np.eye(len(unit))
    table: dict = {
        "vectors": len(bank),
        "classes": len(set(bank.classes.tolist())),
        "MB": path.stat().st_size / 1e6,
        "largest cosine": float(closest.max()),
        "judge's top 1": float((bank.ranks == 1).mean()),
        "judge's top 5": float((bank.ranks <= 5).mean()),
        "mean cosine of two vectors": mean_cosine(unit),
    }
    for number, style in enumerate(STYLES):
        held = bank.styles == number
        table[style] = int(held.sum())
        if held.any():
            table[f"{style}, judge's top 5"] = float((bank.ranks[held] <= 5).mean())
    if photos:
        paths = [path for folder in photos for path in pictures.find(folder)]
        chosen = np.random.default_rng(seed).permutation(len(paths))[:PHOTOS]
        codes = []
        for some in np.array_split(chosen, max(1, len(chosen) // BATCH_SIZE)):
            images = np.stack([photo.read(paths[i], 256) for i in some])
            codes.append(dreamer.encoder(pictures.to_tensor(images)))
        table["mean cosine of photos' reconstructions"] = mean_cosine(
            unit_features(dreamer, torch.cat(codes))
        )
    table |= of_mapping(bank, codebook, unit)
    for song in songs:
        table |= of_song(song, dreamer, bank, codebook)
    if n_reach:
        figures, missed = reach(dreamer, photos, n_reach, seed)
        table |= figures
        table["not reached"] = ", ".join(sorted(missed))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bank", type=Path)
    parser.add_argument("--songs", type=Path, nargs="*", default=[])
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--reach", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.bank, arguments.songs, arguments.photos, arguments.reach, arguments.seed)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:>56} {value:.3f}" if isinstance(value, float) else f"{name:>56} {value}")
