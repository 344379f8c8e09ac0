"""Picture files: what is seen of them, whatever they are made of."""

import warnings

import numpy as np
import pytest
from PIL import Image, features

from visualizer.learning import photo
from visualizer.learning.pictures import find

RAMP = np.linspace(0, 1, 64).reshape(1, 64).repeat(64, 0)


def save(folder, name, pixels):
    Image.fromarray(pixels).save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    "name, pixels",
    [
        ("8.png", (RAMP * 255).round().astype(np.uint8)),
        ("16.png", (RAMP * 65535).astype(np.uint16)),
        ("16.tif", (RAMP * 65535).astype(np.uint16)),
        ("32.tif", (RAMP * (2**31 - 1)).astype(np.int32)),
        ("real.tif", RAMP.astype(np.float32)),
        ("real255.tif", (RAMP * 255).astype(np.float32)),
    ],
)
def test_grey_of_any_depth_is_the_same_grey(tmp_path, name, pixels):
    seen = photo.read(save(tmp_path, name, pixels), 64).astype(int)
    assert (seen == seen[:, :, :1]).all()
    np.testing.assert_allclose(seen[:, :, 0], RAMP * 255, atol=1.5)


def test_numbers_that_are_none(tmp_path):
    pixels = RAMP.astype(np.float32)
    pixels[10:12] = np.nan
    assert photo.read(save(tmp_path, "nan.tif", pixels), 64)[30, -1, 0] == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("ink", [0, 255])
def test_a_logo_on_nothing_is_seen(tmp_path, mode, ink):
    pixels = np.full((64, 64, 4), ink, np.uint8)
    pixels[:, :, 3] = 0
    pixels[20:40, 20:40, 3] = 255
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.quantize(4)
    image.convert(mode).save(tmp_path / "logo.png")
    seen = photo.read(tmp_path / "logo.png", 64)
    assert (seen[25:35, 25:35] == ink).all() and (seen[:15] == 255 - ink).all()


def formats():
    yield from ("jpg", "jfif", "png", "webp", "bmp", "tif", "gif", "ppm", "pgm", "tga", "ico")
    if features.check("jpg_2000"):
        yield from ("jp2", "j2k")
    if features.check("avif"):
        yield "avif"
    if ".heic" in Image.registered_extensions():
        yield "heic"


@pytest.mark.parametrize("suffix", list(formats()))
def test_kinds_of_files(tmp_path, suffix):
    pixels = (RAMP * 255).astype(np.uint8)[:, :, None].repeat(3, 2)
    image = Image.fromarray(pixels)
    image = image.convert("L") if suffix == "pgm" else image
    path = tmp_path / f"picture.{suffix}"
    image.save(path, "JPEG" if suffix == "jfif" else None)
    assert find(tmp_path) == [path]
    assert np.abs(photo.read(path, 64).astype(int) - pixels).mean() < 4


def test_what_is_left_out_is_named(tmp_path):
    for name in ("broken.jpg", "raw.nef", "drawing.svg"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture, and nobody says so")
    (tmp_path / "._photo.jpg").write_text("what macOS leaves on other disks")
    found = find(tmp_path)
    assert [path.name for path in found] == ["broken.jpg", "drawing.svg", "raw.nef"]
    assert not any(photo.try_read(path, 64) is not None for path in found)
    assert photo.missing(found) == "broken.jpg, drawing.svg, raw.nef can't be read and were left out"


def test_pixels_are_ones_own(tmp_path):
    """Torch warns of arrays that may not be written."""
    import torch

    path = save(tmp_path, "a.png", np.zeros((8, 8, 3), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.as_tensor(photo.read(path, 8))
