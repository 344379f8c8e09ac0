"""Encoding a person's photos, and looking at what one has."""

import os

import numpy as np
import pytest
from PIL import Image

from visualizer.common import assets
from visualizer.latent.bank import Bank
from visualizer.learning.sheet import draw_codes
from visualizer.neural.generator import Generator
from visualizer.neural.inference import choose_device, make_painter

COUNT = 20


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures that the generator knows how to draw: its own, saved as files, and one that is none."""
    folder = tmp_path_factory.mktemp("photos")
    bank = Bank.load(assets.model("bank.safetensors"))
    painter = make_painter(Generator.load(assets.model("generator.safetensors")), choose_device("cpu"))
    for i, picture in enumerate(draw_codes(painter, bank.codes[:: len(bank) // COUNT][:COUNT])):
        Image.fromarray(picture).save(folder / f"photo{i}.png")
    (folder / "broken.jpg").write_text("no picture")
    (folder / "photo7.png").rename(folder / os.fsdecode(b"f\xfcnf.png"))
    return folder


def test_photos_come_back_recognisable(visualizer, photos, tmp_path):
    result = visualizer("encode", photos, "-o", "mine.safetensors", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"{COUNT} vectors; broken.jpg can't be read and was left out" in result.stdout
    assert "Warning" not in result.stderr
    bank = Bank.load(tmp_path / "mine.safetensors")
    paths = sorted(photos.glob("*.png"))
    assert sorted(bank.labels) == sorted(os.fsencode(path.stem).decode("utf-8", "replace") for path in paths)
    painter = make_painter(Generator.load(assets.model("generator.safetensors")), choose_device("cpu"))
    made = draw_codes(painter, bank.codes)
    originals = [np.asarray(Image.open(path)) for path in paths]

    def small(pictures):
        return np.stack([np.asarray(Image.fromarray(p).resize((16, 16))) for p in pictures]).astype(float)

    distance = np.abs(small(made)[:, None] - small(originals)[None]).mean((2, 3, 4))
    assert (distance.argmin(1) == np.arange(COUNT)).mean() >= 0.85


def test_a_preset_can_use_the_bank(visualizer, photos, tmp_path, song):
    visualizer("encode", photos, "-o", "mine.safetensors", cwd=tmp_path)
    (tmp_path / "mine.toml").write_text('title = "Mine"\n[bank]\nfile = "mine.safetensors"\n')
    result = visualizer(
        "render", song, "-o", "c.mp4", "--preset", "mine.toml", "--size", "64x64", "--fps", "5", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("model", ["bank", "generator"])
def test_sheets(visualizer, tmp_path, model):
    path = assets.model(f"{model}.safetensors")
    if model == "bank":
        Bank.load(path).take(range(0, 1000, 20)).save(tmp_path / "few.safetensors")
        path = "few.safetensors"
    result = visualizer("sheet", path, "-o", "sheet.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 12 * 128 and sheet.std() > 20


def test_wrong_files(visualizer, tmp_path):
    generator = assets.model("generator.safetensors")
    for arguments, words in (
        (("sheet", assets.model("codebook.safetensors"), "-o", "s.png"), ("codebook", "bank or a generator")),
        (("sheet", "none.safetensors", "-o", "s.png"), ("none.safetensors", "no such file")),
        (("sheet", assets.model("bank.safetensors"), "-o", "s.xyz"), ("s.xyz", ".png")),
        (("sheet", assets.model("bank.safetensors"), "-o", "missing/s.png"), ("missing/s.png", "choose")),
        (("sheet", generator, "-o", "s.png", "--generator", generator), ("leave out --generator",)),
        (("encode", "none.jpg", "-o", "b.safetensors"), ("none.jpg", "no readable pictures")),
    ):
        result = visualizer(*arguments, cwd=tmp_path)
        assert result.returncode == 2 and "Traceback" not in result.stderr
        for word in words:
            assert word in result.stderr
