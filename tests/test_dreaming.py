"""Dreaming: what is kept, what is refused, and going on after a break."""

import dataclasses
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image
from program import ran, started

from visualizer.common import assets
from visualizer.latent.bank import Bank
from visualizer.learning import collection, dream, starts
from visualizer.learning.collection import STOPS, Collection, Garbage
from visualizer.learning.dream import Dream, Region
from visualizer.learning.dreaming import Dreamer, class_numbers

CPU = torch.device("cpu")
SHORT = ("--classes", "daisy, goldfish", "--stop-at", "0.05", "--steps", "5", "--seed", "3")


@pytest.fixture(scope="module")
def dreamer():
    return Dreamer(CPU)


@pytest.fixture(scope="module")
def region(bank):
    return Region.around(torch.from_numpy(bank.codes))


@pytest.fixture(scope="module")
def garbage(dreamer, region):
    with torch.no_grad():
        return Garbage(dreamer.generator, dreamer.judge, (region.least + region.most) / 2, CPU)


@pytest.fixture
def kept(dreamer, garbage):
    return Collection(dreamer.generator, dreamer.classifier, dreamer.judge, garbage, 10, None, 0)


def offered(kept, codes, classes, probability=0.5):
    """Offer codes as if they had been climbed to."""
    n = len(codes)
    done = Dream(codes, torch.full((n,), probability), torch.zeros(n, dtype=torch.int64))
    kept.add(done, classes, torch.full((n,), 0.15))


def test_good_ones_are_kept_with_what_is_known_of_them(kept, bank):
    surest = np.argsort(-bank.probability)[:4]
    offered(kept, torch.from_numpy(bank.codes[surest]), torch.from_numpy(bank.classes[surest]))
    again = kept.bank()
    assert len(again) == 4 and again.labels == bank.take(surest).labels
    np.testing.assert_allclose(again.probability, bank.probability[surest], atol=0.02)
    np.testing.assert_allclose(again.judged, bank.judged[surest], atol=0.02)
    assert (again.styles == bank.styles[surest]).all()


def test_twins_are_refused(kept, bank):
    row = np.argsort(-bank.probability)[:1]
    code, label = torch.from_numpy(bank.codes[row]), torch.from_numpy(bank.classes[row])
    offered(kept, code, label)
    offered(kept, code + 0.01, label)
    assert len(kept) == 1 and kept.refused["twins"] == 1


def test_so_are_codes_that_are_nearly_the_same(kept, bank, monkeypatch):
    """Even where the judge makes much of the little that their pictures differ in."""
    monkeypatch.setattr(collection, "TWIN", 2.0)
    row = np.argsort(-bank.probability)[:1]
    code, label = torch.from_numpy(bank.codes[row]), torch.from_numpy(bank.classes[row])
    offered(kept, code, label)
    offered(kept, code + 0.05 * torch.randn(code.shape, generator=torch.Generator().manual_seed(0)), label)
    assert len(kept) == 1 and kept.refused["twins"] == 1


def test_what_shows_nothing_of_its_class_is_refused(kept, bank):
    row = np.argsort(-bank.probability)[:1]
    offered(kept, torch.from_numpy(bank.codes[row]), torch.from_numpy((bank.classes[row] + 500) % 1000))
    assert len(kept) == 0 and kept.refused["failed"] == 1


def test_what_is_drawn_of_anything_is_refused(kept, dreamer, region, bank):
    """Random codes, which nobody climbed, are the garbage; hardly any of the bank is taken for it."""
    codes = starts.random_starts(16, 99, CPU)
    codes *= (region.least + region.most) / 2 / codes.norm(dim=1, keepdim=True)
    offered(kept, codes, dreamer.classifier(dreamer.generator(codes)).argmax(1))
    assert kept.refused["garbage"] + kept.refused["mud"] + kept.refused["failed"] >= 12
    before = kept.refused["garbage"]
    dreamt = np.flatnonzero(bank.classes >= 0)
    rows = dreamt[np.linspace(0, len(dreamt) - 1, 64).astype(int)]
    offered(kept, torch.from_numpy(bank.codes[rows]), torch.from_numpy(bank.classes[rows]))
    assert kept.refused["garbage"] - before <= 6


def test_mud_is_refused(kept, dreamer, monkeypatch, bank):
    grey = lambda codes: dreamer.generator(codes) * 0.05 + 0.5  # noqa: E731
    monkeypatch.setattr(kept, "_generator", grey)
    codes = torch.from_numpy(bank.codes[:16])
    with torch.no_grad():
        surest, classes = dreamer.classifier(grey(codes)).softmax(1).max(1)
    best = surest.argmax()[None]
    offered(kept, codes[best], classes[best])
    assert len(kept) == 0 and kept.refused["mud"] == 1


def test_the_region_holds_codes_within_its_bounds(region):
    wild = 30 * torch.randn(3, 4096, generator=torch.Generator().manual_seed(0))
    shell = dream.Shell(wild, region)
    norms = shell.codes.detach().norm(dim=1)
    assert (norms >= 0.999 * region.least).all() and (norms <= 1.001 * region.most).all()
    channels = region.high.view(-1, 16)
    assert (channels == channels[:, :1]).all() and channels[:, 0].std() > 0.1  # each channel its own


def test_transforms_move_little_and_keep_what_is_seen(dreamer, bank):
    rng = torch.Generator().manual_seed(0)
    surest = np.argsort(-bank.probability)[:6]
    with torch.no_grad():
        plain = dreamer.generator(torch.from_numpy(bank.codes[surest]))
        for transform in dream.TRANSFORMS:
            drawn = [transform(plain, rng) for _ in range(3)]
            assert all(d.shape[-1] % 32 == 0 and d.min() > -1e-4 and d.max() < 1.0001 for d in drawn)
            assert any(d.shape != plain.shape or (d - plain).abs().mean() > 0.01 for d in drawn)
            seen = dreamer.classifier(drawn[0]).argmax(1)
            assert (seen == torch.from_numpy(bank.classes[surest])).sum() >= 4


def test_photos_begin_with_what_they_show(dreamer, tmp_path, bank):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.jpg").write_text("no picture")
    rows = np.argsort(-bank.probability)[:3]
    with torch.no_grad():
        pictures = dreamer.generator(torch.from_numpy(bank.codes[rows]))
    for i, picture in enumerate(pictures):
        pixels = (picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    source = dreamer.starts(None, [folder], 0)
    codes, classes = source.next(0, 4, np.zeros(1000, int))
    assert codes.shape == (4, 4096)
    assert set(bank.classes[rows]) <= set(classes.tolist())
    nearest = dreamer.starts(class_numbers(bank.labels[rows[0]]), [folder], 0)
    first, _ = nearest.next(0, 1, np.zeros(1000, int))
    with torch.no_grad():
        expected = dreamer.encoder(pictures[:1])
    assert torch.cosine_similarity(first, expected).item() > 0.9


def run(folder, *options):
    return ran("dream", "-o", "b.safetensors", *SHORT, *options, cwd=folder)


def test_ctrl_c_and_resume_give_the_same_bank(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    result = run(whole, "--count", "20")
    assert result.returncode == 0, result.stderr
    assert {p.name for p in whole.iterdir()} == {"b.safetensors", "b.preview.jpg"}
    with started("dream", "-o", "b.safetensors", *SHORT, "--count", "20", cwd=broken) as process:
        deadline = time.monotonic() + 300
        while not (broken / "b.checkpoint.safetensors").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "--resume" in errors and "Traceback" not in errors, errors
    assert 0 < len(Bank.load(broken / "b.safetensors")) < 20
    other = run(broken, "--count", "21", "--resume")
    assert other.returncode == 2 and "other options" in other.stderr
    result = run(broken, "--count", "20", "--resume")
    assert result.returncode == 0, result.stderr
    first, second = Bank.load(whole / "b.safetensors"), Bank.load(broken / "b.safetensors")
    assert len(first) == len(second) == 20 and set(first.labels) == {"daisy", "goldfish"}
    np.testing.assert_allclose(first.codes, second.codes, atol=0.01)
    assert (first.seeds == 3).all() and first.probability.min() >= 0.3 * 0.05


def test_a_bank_is_dreamt_again(visualizer, bank, tmp_path):
    old = bank.take([int(np.flatnonzero(bank.styles == style)[i]) for style in (0, 1, 2) for i in (0, 7)])
    old.save(tmp_path / "old.safetensors")
    arguments = ("dream", "-o", "new.safetensors", "--again", "old.safetensors", "--count", 6, "--seed", 4)
    result = visualizer(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    new = Bank.load(tmp_path / "new.safetensors")
    assert set(new.labels) <= set(old.labels) and len(set(new.labels)) >= 4
    assert (new.seeds == 4).all()
    # With the same generator there is little to climb; codes that have nothing to do with each other give 0.
    mine = {label: code for label, code in zip(old.labels, old.codes)}
    cosines = [
        np.dot(c, mine[k]) / np.linalg.norm(c) / np.linalg.norm(mine[k])
        for c, k in zip(new.codes, new.labels)
    ]
    assert np.median(cosines) > 0.6


@pytest.mark.parametrize(
    "options, words",
    [
        (("--again", "b.safetensors", "--all"), ("--again", "leave out")),
        (("--again", "nothing.safetensors"), ("nothing.safetensors", "no such bank file")),
        (("--classes", "daisy, goldfsh"), ("goldfsh", "goldfish")),
        (("--classes", "daisy", "--all"), ("--classes and --all",)),
        (("--style", "concrete", "--stop-at", "0.3"), ("--style and --stop-at",)),
        (("--photos", "nowhere"), ("nowhere", "no such folder")),
        (("-o", "nowhere/b.safetensors"), ("nowhere/b.safetensors", "choose another path")),
    ],
)
def test_mistakes_are_one_sentence(visualizer, tmp_path, options, words):
    result = visualizer("dream", "-o", "b.safetensors", "--count", "1", *options, cwd=tmp_path)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
    for word in words:
        assert word in result.stderr


def test_styles_are_by_the_probability_reached():
    assert STOPS["abstract"] < STOPS["balanced"] < STOPS["concrete"]
    rng = np.random.default_rng(0)
    held = Bank.load(assets.model("bank.safetensors")).take(rng.permutation(300)[:200])
    assert (held.probability[held.styles == 2] >= 0.79).all()
    assert (held.probability[held.styles == 0] < 0.41).all()
    assert len(held.choose(styles=["concrete"])) == (held.styles == 2).sum()


def test_classes_that_share_a_name_are_counted_apart(bank):
    """The crane that flies, and the one that lifts."""
    cranes = dataclasses.replace(bank.take([0, 1]), labels=("crane", "crane"), classes=np.array([134, 517]))
    assert cranes.n_classes == 2 and bank.take([0, 0]).n_classes == 1
