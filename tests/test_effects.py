"""Effects: each does what its name says, and none does nothing."""

import colorsys
import itertools

import numpy as np
import pytest
import torch

from visualizer.audio.accents import Accents
from visualizer.control.preset import DisplayTable, DriveTable
from visualizer.picture.effects import effects as module
from visualizer.picture.effects.card import CardCanvas
from visualizer.picture.effects.effects import Effects, hue_matrix
from visualizer.picture.effects.processor import ProcessorCanvas
from visualizer.picture.framing import MARGIN, frame

RNG = np.random.default_rng(0)
# Smooth random picture: like a photo, it has structure at every scale.
COARSE = torch.from_numpy(RNG.random((1, 3, 8, 8), np.float32))
PICTURE = (255 * torch.nn.functional.interpolate(COARSE, 256, mode="bicubic", align_corners=False)).clamp(
    0, 255
)
PICTURE = PICTURE[0].permute(1, 2, 0).to(torch.uint8).contiguous()


@pytest.fixture(autouse=True, params=["processor", "card"])
def canvas(request, monkeypatch):
    """Which kind of canvas; a card's, in torch, does here as well."""
    if request.param == "card":
        monkeypatch.setattr(module, "make_canvas", CardCanvas)


def show(n=1, picture=PICTURE, drive=None, loudness=-20.0, onset=0.0, aspect=16 / 9, dt=1 / 30, **table):
    effects = Effects(DisplayTable(**table), DriveTable(**(drive or {})), aspect)
    for _ in range(n):
        out = effects(picture, Accents(loudness, onset), dt)
    return out.numpy().astype(float)


@pytest.mark.parametrize("fit", ["mirror", "fill", "fit"])
@pytest.mark.parametrize("aspect", [16 / 9, 1.0, 9 / 16])
def test_the_warp_agrees_with_plain_framing(fit, aspect):
    plain = frame(PICTURE, aspect, fit).numpy().astype(float)
    assert np.array_equal(show(fit=fit, aspect=aspect), plain)
    warped = show(fit=fit, aspect=aspect, grain=1e-9)
    assert warped.shape == plain.shape
    assert np.abs(warped - plain).mean() < 2.5


@pytest.mark.parametrize("aspect", [16 / 9, 1.0, 9 / 16, 3.5])
def test_framing_mirrors_crops_and_adds_bars(aspect):
    shown = PICTURE[MARGIN:-MARGIN, MARGIN:-MARGIN].numpy()
    for fit, mode in (("mirror", "symmetric"), ("fit", "constant")):
        framed = frame(PICTURE, aspect, fit).numpy()
        more = [n - len(shown) for n in framed.shape[:2]]
        sides = [(n // 2, n - n // 2) for n in more]
        assert np.array_equal(framed, np.pad(shown, [*sides, (0, 0)], mode=mode))
        assert framed.shape[1] / framed.shape[0] == pytest.approx(aspect, rel=0.01)
    filled = frame(PICTURE, aspect, "fill").numpy()
    top, left = ((len(shown) - n) // 2 for n in filled.shape[:2])
    assert np.array_equal(filled, shown[top : top + filled.shape[0], left : left + filled.shape[1]])


def test_zoom_enlarges_the_middle():
    plain, zoomed = show(aspect=1, zoom=0), show(aspect=1, zoom=1.0, grain=1e-9)
    middle = plain[62:186, 62:186].repeat(2, 0).repeat(2, 1)
    assert np.abs(zoomed - middle).mean() < 3


def test_kaleidoscope_repeats_its_sectors():
    out = show(aspect=1, kaleidoscope=4)
    np.testing.assert_allclose(out, out[::-1], atol=3)
    np.testing.assert_allclose(out, out[:, ::-1], atol=3)
    np.testing.assert_allclose(out, out.transpose(1, 0, 2), atol=3)
    assert out.std() > 10


def test_hue_turns_colours_but_not_luma_or_greys():
    matrix = hue_matrix(2 * np.pi / 3, 1.0)
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), atol=1e-5)
    luma = np.array([0.2126, 0.7152, 0.0722])
    colours = RNG.random((3, 50))
    np.testing.assert_allclose(luma @ matrix @ colours, luma @ colours, atol=1e-5)
    red = matrix @ np.array([0.6, 0.4, 0.4])
    before, after = colorsys.rgb_to_hsv(0.6, 0.4, 0.4)[0], colorsys.rgb_to_hsv(*red.tolist())[0]
    assert (after - before) % 1 == pytest.approx(1 / 3, abs=0.06)
    np.testing.assert_allclose(hue_matrix(2 * np.pi, 1.0), np.eye(3), atol=1e-5)


def test_trails_keep_what_was():
    effects = Effects(DisplayTable(trails=0.8), DriveTable(), 1.0)
    white = torch.full_like(PICTURE, 255)
    effects(white, Accents(-20), 1 / 30)
    levels = [
        effects(torch.zeros_like(PICTURE), Accents(-20), 1 / 30).float().mean().item() for _ in range(5)
    ]
    np.testing.assert_allclose(levels, [255 * 0.8**k for k in range(1, 6)], atol=2)


def test_trails_depend_on_time_not_on_the_frame_rate():
    def after(n):
        effects = Effects(DisplayTable(trails=0.8), DriveTable(), 1.0)
        effects(torch.full_like(PICTURE, 255), Accents(-20), 1 / 30)
        for _ in range(n):
            out = effects(torch.zeros_like(PICTURE), Accents(-20), 0.2 / n)
        return out.float().mean().item()

    assert after(6) == pytest.approx(after(24), abs=2)


def test_vignette_saturation_and_brightness():
    plain = show()
    dark = show(vignette=0.8)
    assert dark[:20, :20].mean() < 0.45 * plain[:20, :20].mean()
    assert dark[120:130, 215:225].mean() == pytest.approx(plain[120:130, 215:225].mean(), abs=2)
    grey = show(saturation=0)
    assert np.abs(grey - grey.mean(2, keepdims=True)).max() <= 1
    assert show(brightness=0.5).mean() == pytest.approx(plain.mean() / 2, rel=0.02)


def test_grain_changes_each_frame_but_not_the_mean():
    effects = Effects(DisplayTable(grain=0.2), DriveTable(), 16 / 9)
    a, b = (effects(PICTURE, Accents(-20), 1 / 30).float() for _ in range(2))
    assert (a - b).abs().mean() > 3
    assert a.mean() == pytest.approx(show().mean(), abs=1.5)


def test_the_sound_drives_and_lets_go():
    drive = {"onset": {"brightness": -0.5}}
    effects = Effects(DisplayTable(), DriveTable(**drive), 1.0)
    # A drive makes the table matter even where the base values do nothing.
    still = effects(PICTURE, Accents(-20), 1 / 30).float().mean().item()
    hit = effects(PICTURE, Accents(-20, 1.0), 1 / 30).float().mean().item()
    for _ in range(60):
        after = effects(PICTURE, Accents(-20), 1 / 30).float().mean().item()
    assert hit == pytest.approx(still / 2, rel=0.05)
    assert after == pytest.approx(still, rel=0.01)


def test_turning_spin_and_hue_does_not_jump():
    tables = [DisplayTable(spin=5, hue=3, zoom=0.2), DisplayTable(spin=-5, hue=-3, zoom=0.2)]
    effects = Effects(tables[0], DriveTable(), 1.0)
    frames = []
    for i in range(60):
        assert effects.adjust(tables[i % 2 if i < 50 else 1])
        frames.append(effects(PICTURE, Accents(-20.0), 1 / 60).numpy().astype(float))
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert max(steps[:49]) < 1.3 * np.mean(steps[50:]) and min(steps[50:]) > 0
    assert not effects.adjust(DisplayTable(kaleidoscope=6))


@pytest.mark.parametrize("name", ["onset", "bass", "middle", "treble", "beat"])
def test_each_drive_hears_what_it_is_named_for(name):
    sounds = {field: Accents(-20, **{field: 1.0}) for field in ("onset", "bass", "middle", "treble")}
    sounds["beat"] = Accents(-20, beat=8)
    for other, sound in sounds.items():
        effects = Effects(DisplayTable(), DriveTable(**{name: {"brightness": -0.5}}), 1.0)
        still = effects(PICTURE, Accents(-20, beat=7), 1 / 30).float().mean().item()
        hit = effects(PICTURE, sound._replace(beat=max(sound.beat, 7)), 1 / 30).float().mean().item()
        assert hit == pytest.approx(still / 2 if other == name else still, rel=0.05), other


def test_a_beat_is_given_only_where_one_is_trusted_and_once():
    effects = Effects(DisplayTable(), DriveTable(beat={"brightness": -0.5}), 1.0)
    lights = [
        effects(PICTURE, Accents(-20, beat=n), 1).float().mean().item() for n in (-1, 4, 4, 5, 5, -1, 6)
    ]
    assert [light < 0.8 * lights[0] for light in lights] == [False, False, False, True, False, False, False]


def test_spin_comes_round():
    once = show(n=1, spin=10, aspect=1)
    round_again = show(n=1 + 30 * 6, spin=10, aspect=1)
    assert np.abs(once - round_again).mean() < 2
    assert np.abs(once - show(n=46, spin=10, aspect=1)).mean() > 10


@pytest.mark.parametrize("canvas", ["either"], indirect=True)
@pytest.mark.parametrize("aspect", [16 / 9, 1.0, 3 / 4])
@pytest.mark.parametrize(
    "table",
    [
        {"kaleidoscope": 5, "spin": 9, "zoom": 0.4, "vignette": 0.6},
        {"fit": "fit", "spin": 7, "zoom": -0.4, "hue": 2},
        {"fit": "fill", "saturation": 0.3, "grain": 0.3, "brightness": 1.4},
        {"trails": 0.8, "breathe": 0.5, "spin": 3, "zoom": -0.5},
    ],
)
def test_both_kinds_of_canvas_agree(table, aspect, monkeypatch):
    kinds = []
    for make_canvas in (lambda ground, _: ProcessorCanvas(ground), CardCanvas):
        monkeypatch.setattr(module, "make_canvas", make_canvas)
        effects = Effects(DisplayTable(**table), DriveTable(onset={"zoom": 0.2}), aspect)
        pictures = [PICTURE.roll(9 * i, 1) for i in range(6)]
        kinds.append(
            torch.stack([effects(p, Accents(-20, i / 6), 1 / 30) for i, p in enumerate(pictures)]).float()
        )
    difference = (kinds[0] - kinds[1]).abs()
    assert difference.max() <= 1 and difference.mean() < 0.01 and kinds[0].std() > 10
