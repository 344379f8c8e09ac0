"""The limiter against a judge of its own, flash_reference: numpy, slow, and written apart from it."""

import flash_reference as reference
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.limiter import FlashLimiter
from visualizer.picture.flash.pixels import CardPixels, ProcessorPixels

H, W = 18, 24
BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)


pytestmark = pytest.mark.usefixtures("one_thread")


def clock(fps, seconds):
    return np.arange(round(fps * seconds)) / fps


def solid(colours, h=H, w=W):
    """[t] grey values or [t, 3] colours to frames of one colour."""
    colours = np.round(np.asarray(colours, float))
    colours = np.repeat(colours[:, None], 3, 1) if colours.ndim == 1 else colours
    return np.broadcast_to(colours.astype(np.uint8)[:, None, None], (len(colours), h, w, 3)).copy()


def phase(hertz, t):
    """Which half of the cycle it is, 0 or 1."""
    return (np.floor(t * 2 * hertz + 1e-6) % 2).astype(int)


def strobe(hertz, fps=30, seconds=3.0, first=BLACK, second=WHITE, h=H, w=W):
    t = clock(fps, seconds)
    return solid(np.array([first, second])[phase(hertz, t)], h, w), t


def half_field(hertz):
    frames, t = strobe(hertz)
    frames[:, :, W // 2 :] = 100
    return frames, t


def checkerboard(hertz, size):
    frames, t = strobe(hertz)
    y, x = np.mgrid[:H, :W]
    odd = (y // size + x // size) % 2 == 1
    frames[:, odd] = 255 - frames[:, odd]
    return frames, t


def hard_cuts(seed=0):
    t = clock(30, 3)
    tiny = np.random.default_rng(seed).integers(0, 256, (len(t), 3, 4, 3))
    return tiny.repeat(6, 1).repeat(6, 2).astype(np.uint8), t


def noise(low=0, high=256):
    t = clock(30, 2)
    return np.random.default_rng(1).integers(low, high, (len(t), H, W, 3)).astype(np.uint8), t


def accelerating():
    t = clock(30, 4)
    return solid(255 * phase(1, t + 1.2 * t**2)), t


def luminance_code(luminance):
    """The sRGB grey, 0..255 and not rounded, of a relative luminance."""
    luminance = np.asarray(luminance, float)
    low = luminance * 12.92
    return 255 * np.where(luminance <= 0.0031308, low, 1.055 * luminance ** (1 / 2.4) - 0.055)


def small_steps():
    """Up and down between 0.1 and 0.5 in steps of just under 0.1, one every frame."""
    t = clock(60, 3)
    triangle = np.abs((np.arange(len(t)) % 8) - 4)
    return solid(luminance_code(0.1 + 0.099 * triangle)), t


def travelling(hertz=8):
    frames, t = strobe(hertz)
    for frame, now in zip(frames, t, strict=True):
        away = (np.arange(W) - int(20 * now)) % W >= W // 2
        frame[:, away] = 60
    return frames, t


def travelling_bars():
    t = clock(30, 3)
    wave = np.sin(2 * np.pi * (np.arange(W) / 8 - 6 * t[:, None])) > 0
    return np.broadcast_to(255 * wave[:, None, :, None], (len(t), H, W, 3)).astype(np.uint8), t


def sawtooth():
    t = clock(60, 3)
    return solid(255 * (5 * t % 1)), t


def wave(hertz, fps, seconds=2.0):
    t = clock(fps, seconds)
    return solid(127 + 127 * np.sin(2 * np.pi * hertz * t)), t


def limit(frames, times, limiter=None):
    """The frames shown, and for each how much of it was held back."""
    limiter = limiter or FlashLimiter()
    shown, held = [], []
    for frame, dt in zip(frames, np.diff(times, prepend=times[0]), strict=True):
        shown.append(limiter(torch.from_numpy(frame), float(dt)).numpy().copy())
        held.append(limiter.held)
    return np.stack(shown), np.array(held)


ADVERSARIAL = {
    **{f"strobe {f} Hz at 24": (lambda f=f: strobe(f, 24)) for f in (4, 8, 12)},
    **{f"strobe {f} Hz at 30": (lambda f=f: strobe(f, 30)) for f in (3.75, 5, 7.5, 10, 15)},
    **{f"strobe {f} Hz at 60": (lambda f=f: strobe(f, 60, 2)) for f in (4, 6, 10, 20, 30)},
    "strobe 2 Hz, long": lambda: strobe(2, 24, 8),
    "strobe 2.5 Hz, long": lambda: strobe(2.5, 30, 7),
    "strobe 3 Hz, long": lambda: strobe(3, 30, 7),
    "weak strobe": lambda: strobe(8, 30, 3, (100,) * 3, (140,) * 3),
    "bright strobe": lambda: strobe(8, 30, 3, (225,) * 3, WHITE),
    "half field": lambda: half_field(8),
    "checkerboard": lambda: checkerboard(6, 6),
    "fine checkerboard": lambda: checkerboard(10, 2),
    "red and black": lambda: strobe(5, 30, 3, RED, BLACK),
    "red and blue": lambda: strobe(6, 30, 3, RED, BLUE),
    "dark red and blue": lambda: strobe(6, 30, 3, (120, 0, 0), (0, 0, 130)),
    "red and grey of one luminance": lambda: strobe(6, 30, 3, (200, 0, 0), (100, 100, 100)),
    "red, 2.5 Hz, long": lambda: strobe(2.5, 30, 7, (120, 0, 0), (0, 0, 130)),
    "hard cuts": hard_cuts,
    "noise": noise,
    "accelerating": accelerating,
    "small steps": small_steps,
    "travelling strobe": travelling,
    "travelling bars": travelling_bars,
    "sawtooth": sawtooth,
    "wave at 60": lambda: wave(5, 60),
    "wave at 240": lambda: wave(6, 240, 1.5),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_flashing_material_breaks_the_rule_and_comes_out_keeping_it(name):
    frames, times = ADVERSARIAL[name]()
    assert reference.judge(frames, times)
    shown, _ = limit(frames, times)
    assert reference.judge(shown, times) == []
    assert reference.judge_mean(shown, times) == []


def test_reference_knows_what_is_allowed():
    assert reference.judge(*strobe(3, 30, 3)) == []
    assert reference.judge(*strobe(1, 30, 7)) == []
    assert reference.judge(*strobe(8, 30, 2, (100,) * 3, (118,) * 3)) == []
    assert reference.judge(*strobe(8, 30, 2, (235,) * 3, WHITE)) == []
    assert {v.kind for v in reference.judge(*strobe(2.5, 30, 7))} == {"sustained"}
    assert {v.kind for v in reference.judge(*strobe(6, 30, 2, (120, 0, 0), (0, 0, 130)))} == {"red"}


segment = st.fixed_dictionaries(
    {
        "look": st.sampled_from(
            ["strobe", "halves", "checks", "red", "cuts", "noise", "ramp", "still", "bars", "shades"]
        ),
        "frames": st.integers(1, 30),
        "every": st.integers(1, 6),
        "dt": st.sampled_from([1 / 240, 1 / 60, 1 / 30, 1 / 24, 0.1, 0.3]),
        "jitter": st.sampled_from([0, 0.4]),
        "levels": st.tuples(st.integers(0, 255), st.integers(0, 255)),
    }
)


def film(segments, seed):
    """Frames and their times, from a list of segments."""
    rng = np.random.default_rng(seed)
    frames, durations = [], []
    y, x = np.mgrid[:H, :W]
    for s in segments:
        low, high = s["levels"]
        for i in range(s["frames"]):
            on = (i // s["every"]) % 2
            grey = high if on else low
            frame = np.full((H, W, 3), grey, np.uint8)
            match s["look"]:
                case "halves":
                    frame[:, W // 2 :] = low if on else high
                case "checks":
                    frame[(x // 4 + y // 4) % 2 == on] = 255 - grey
                case "red":
                    frame[:] = (high, 0, 0) if on else (0, low, low // 2)
                case "cuts":
                    frame = rng.integers(0, 256, (3, 4, 3)).repeat(6, 0).repeat(6, 1).astype(np.uint8)
                case "noise":
                    frame = rng.integers(0, high + 1, (H, W, 3)).astype(np.uint8)
                case "ramp":
                    frame[:] = (low + 9 * s["every"] * i) % 256
                case "still":
                    frame[:] = low
                case "bars":
                    frame[:, (x[0] - s["every"] * i) % 10 < 5] = low
                case "shades":
                    part = rng.random((3, 4, 1)).repeat(6, 0).repeat(6, 1)
                    frame = (low + part * (float(grey) - low) * np.array([1, 0.2, 0.1])).astype(np.uint8)
            frames.append(frame)
            durations.append(s["dt"] * (1 + s["jitter"] * rng.uniform(-1, 1)))
    return np.stack(frames), np.cumsum(durations)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(segment, min_size=1, max_size=7), st.integers(0, 99), st.sampled_from([0.0, 0.16]))
def test_whatever_goes_in_what_comes_out_keeps_the_rule(segments, seed, margin):
    frames, times = film(segments, seed)
    shown, held = limit(frames, times, FlashLimiter(margin=margin))
    assert reference.judge(shown, times) == []
    assert reference.judge_mean(shown, times) == []
    assert np.array_equal(shown[held == 0], frames[held == 0])


@pytest.mark.parametrize(("height", "width"), [(120, 160), (400, 560)])
def test_keeps_the_rule_on_coarser_grids(height, width):
    t = clock(30, 1.5)
    y, x = np.mgrid[:height, :width]
    frames = np.zeros((len(t), height, width, 3), np.uint8)
    for i in range(len(t)):
        frames[i] = 255 * ((x * 7 // width + y * 5 // height + i // 2) % 2)[..., None]
    small = frames[:, height // 40 :: height // 20, width // 40 :: width // 20]
    assert reference.judge(small, t)
    shown, _ = limit(frames, t)
    small = shown[:, height // 40 :: height // 20, width // 40 :: width // 20]
    assert reference.judge(small, t) == []


def fade():
    t = clock(30, 4)
    return solid(255 * np.abs(np.sin(np.pi * t / 2))), t


def pan():
    t = clock(30, 3)
    picture = np.random.default_rng(2).integers(0, 256, (H, 8, 3)).repeat(12, 1).astype(np.uint8)
    return np.stack([picture[:, int(4 * now) :][:, :W] for now in t]), t


def three_flashes():
    t = clock(30, 2)
    return solid(np.where((t < 0.99) & (phase(3, t) == 1), 255, 0)), t


def small_flashing_spot():
    frames, t = strobe(10)
    spot = frames[:, 4:6, 8:11].copy()
    frames[:] = 90
    frames[:, 4:6, 8:11] = spot
    return frames, t


@pytest.mark.parametrize(
    "clip", [fade, pan, three_flashes, small_flashing_spot, lambda: noise(100, 112), lambda: strobe(1)]
)
def test_harmless_frames_come_out_as_they_are(clip):
    frames, times = clip()
    limiter = FlashLimiter()
    for frame, dt in zip(frames, np.diff(times, prepend=times[0]), strict=True):
        frame = torch.from_numpy(frame)
        assert limiter(frame, float(dt)) is frame
        assert limiter.held == 0


def just_under_a_tenth(base):
    """Strobing between a grey and the brightest that is less than 0.1 above it."""
    light = reference.linear_light(np.arange(256))
    brighter = int(np.flatnonzero(light - light[base] < 0.1)[-1])
    assert light[brighter] - light[base] > 0.09
    return strobe(10, 30, 2, (base,) * 3, (brighter,) * 3)


def strobe_on(where):
    """A strobe on the pixels set in [h, w], grey beside; the mean of the picture hardly moves."""
    h, w = where.shape
    frames, t = strobe(10, 30, 1.5, (80,) * 3, (170,) * 3, h=h, w=w)
    frames[:, ~where] = 120
    return frames, t


def part_of_a_block(h, w, part, columns=0):
    """[h, w]: a rectangle that is the given part of a 10-degree block; of its full height by default."""
    bh, bw = reference.block_size(h, w)
    where = np.zeros((h, w), bool)
    columns = columns or int(part * bw)
    where[h // 5 : h // 5 + int(part * bh * bw / columns), w // 5 : w // 5 + columns] = True
    return where


def scattered(h, w, of_25):
    """[h, w]: in every 5 x 5 pixels the same few."""
    order = np.random.default_rng(0).permutation(25).reshape(5, 5)
    return np.tile(order < of_25, (h // 5 + 1, w // 5 + 1))[:h, :w]


@pytest.mark.parametrize("base", [40, 100, 180, 215])
def test_strobes_of_just_under_a_tenth_pass_untouched(base):
    frames, t = just_under_a_tenth(base)
    shown, held = limit(frames, t)
    assert np.array_equal(shown, frames) and held.max() == 0


SHAPES = {
    "tall": lambda h, w, part: part_of_a_block(h, w, part),
    "square": lambda h, w, part: part_of_a_block(h, w, part, int(reference.block_size(h, w)[1] * part**0.5)),
    "everywhere": lambda h, w, part: scattered(h, w, round(25 * part)),
}


@pytest.mark.parametrize("shape", SHAPES)
# Where cells are pixels, and where they are four and an edge may count up to one pixel more.
@pytest.mark.parametrize(("h", "w", "part"), [(90, 120, 0.24), (192, 256, 0.24), (256, 256, 0.2)])
def test_strobes_on_just_under_a_quarter_of_a_block_pass_untouched(shape, h, w, part):
    where = SHAPES[shape](h, w, part)
    assert part - 0.02 < reference.block_fractions(where)[:-1].max() <= part + 0.005
    frames, t = strobe_on(where)
    shown, held = limit(frames, t)
    assert np.array_equal(shown, frames) and held.max() == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("h", "w"), [(90, 120), (256, 256)])
def test_strobes_on_just_over_a_quarter_of_a_block_are_held_back(shape, h, w):
    where = SHAPES[shape](h, w, 0.28)
    assert 0.25 < reference.block_fractions(where)[:-1].max() < 0.29
    _, held = limit(*strobe_on(where))
    assert held.max() > 0


@pytest.mark.parametrize(("hertz", "fps"), [(4, 30), (7.5, 30), (10, 60), (20, 60), (3, 30)])
@pytest.mark.parametrize("after", [0, 120, 255])
def test_catches_up_half_a_second_after_a_strobe(hertz, fps, after):
    frames, t = strobe(hertz, fps, 6)
    frames[t >= 5] = after
    shown, held = limit(frames, t)
    assert held[t < 5].max() > 0.5
    assert np.array_equal(shown[t > 5.5], frames[t > 5.5])
    assert held[t > 5.5].max() == 0


def test_moving_pictures_after_a_strobe_are_caught_up_with():
    frames, t = strobe(10, 30, 6)
    slow = solid(110 + 60 * np.sin(2 * np.pi * 0.3 * t))
    frames[t >= 3] = slow[t >= 3]
    shown, _ = limit(frames, t)
    assert np.array_equal(shown[t > 3.5], frames[t > 3.5])


def test_a_strobe_settles_to_its_mean_and_does_not_pump():
    frames, t = strobe(10, 60, 6)
    shown, _ = limit(frames, t)
    luminance = reference.relative_luminance(shown)[t > 3].mean((1, 2))
    assert abs(luminance.mean() - 0.5) < 0.15
    assert np.ptp(luminance) < 0.2
    assert (np.abs(np.diff(luminance)) > 0).mean() > 0.5


def test_a_strobe_in_a_corner_leaves_the_rest_alone():
    h, w = 90, 120
    t = clock(30, 3)
    rng = np.random.default_rng(0)
    still = rng.integers(60, 200, (h, w, 3)).astype(np.uint8)
    frames = np.stack([still] * len(t))
    frames[:, :20, :24] = np.where(phase(7.5, t) == 1, 255, 0)[:, None, None, None]
    frames[:, 60:, 80:] = (90 + 60 * np.sin(2 * np.pi * t))[:, None, None, None].astype(np.uint8)
    shown, held = limit(frames, t)
    assert held.max() > 0
    assert np.array_equal(shown[:, 60:, 80:], frames[:, 60:, 80:])
    assert not np.array_equal(shown[:, :20, :24], frames[:, :20, :24])


@pytest.mark.parametrize("fps", [10, 24, 30, 60, 144, 240])
def test_time_counts_not_frames(fps):
    frames, t = strobe(4, fps, 2)
    shown, held = limit(frames, t)
    assert reference.judge(shown, t) == []
    # Three flashes have gone by when the seventh transition would come, at 7/8 s.
    assert 0.8 <= t[held > 0][0] <= 0.97


def test_late_and_dropped_frames():
    frames, t = strobe(10, 60, 4)
    rng = np.random.default_rng(3)
    keep = rng.random(len(t)) < 0.5
    keep[100:160] = False
    shown, _ = limit(frames[keep], t[keep])
    assert reference.judge(frames[keep], t[keep])
    assert reference.judge(shown, t[keep]) == []


def pixels_of(kind, height, width):
    """Pixels as the processor's memory holds them, or as a card would, here in torch on the processor."""
    grid = Grid(height, width)
    return grid, ProcessorPixels(grid) if kind == "processor" else CardPixels(grid, "cpu")


both_kinds = pytest.mark.parametrize("kind", ["processor", "card"])


@both_kinds
def test_all_and_nothing_of_a_blend_are_exact(kind):
    codes = torch.arange(256, dtype=torch.uint8).view(16, 16, 1).expand(16, 16, 3).contiguous()
    grid, pixels = pixels_of(kind, 16, 16)
    pixels.show(codes)
    expected = reference.linear_light(codes.numpy())
    assert np.allclose(pixels.measure(codes).transpose(1, 2, 0), expected, atol=1e-7)
    other = 255 - codes
    for part, wanted in ((0, codes), (1, other)):
        cells = pixels.blend(other, np.full(grid.tiles, part, np.float32))
        assert np.array_equal(cells, pixels.measure(wanted))
        assert torch.equal(pixels.show_blended(), wanted)


@both_kinds
def test_blends_are_means_of_linear_light_and_keep_their_fractions(kind):
    grid, pixels = pixels_of(kind, 96, 128)
    first, second = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3)).astype(np.uint8)
    pixels.show(torch.from_numpy(first))
    light = reference.linear_light(first)
    for _ in range(20):  # so slowly that codes alone would never get there
        cells = pixels.blend(torch.from_numpy(second), np.full(grid.tiles, 0.02, np.float32))
        shown = pixels.show_blended().numpy()
        light = light + 0.02 * (reference.linear_light(second) - light)
    assert np.abs(reference.linear_light(shown) - light).max() < 0.006
    assert np.abs(shown.astype(int) - luminance_code(light)).mean() < 0.3
    assert np.allclose(cells, pixels.measure(torch.from_numpy(shown)), atol=1e-6)


@both_kinds
def test_weights_are_linear_between_the_centres_of_tiles(kind):
    grid, pixels = pixels_of(kind, 192, 256)
    assert grid.tile * grid.factor > 4 and grid.tiles[1] > 9
    rng = np.random.default_rng(0)
    weights = rng.random(grid.tiles).astype(np.float32)
    pixels.show(torch.zeros(192, 256, 3, dtype=torch.uint8))
    pixels.blend(torch.full((192, 256, 3), 255, dtype=torch.uint8), weights)
    size = grid.tile * grid.factor
    centres = [(np.arange(n) + 0.5) * size - 0.5 for n in grid.tiles]
    places = [np.arange(n).clip(c[0], c[-1]) for n, c in zip((192, 256), centres)]
    wanted = RegularGridInterpolator(centres, weights)(np.stack(np.meshgrid(*places, indexing="ij"), -1))
    assert np.abs(pixels.show_blended().numpy()[..., 0] - luminance_code(wanted)).max() < 0.6


@both_kinds
def test_coarse_cells_are_means_of_linear_light(kind):
    frame = np.random.default_rng(0).integers(0, 256, (514, 700, 3)).astype(np.uint8)
    grid, pixels = pixels_of(kind, 514, 700)
    assert grid.factor == 3 and grid.shape == (171, 233)
    light = reference.linear_light(frame)[:513, :699].reshape(171, 3, 233, 3, 3).mean((1, 3))
    assert np.allclose(pixels.measure(torch.from_numpy(frame)).transpose(1, 2, 0), light, atol=1e-5)


def test_blocks_are_counted_as_the_reference_counts_them():
    cells = np.random.default_rng(0).random((40, 60)) < 0.3
    grid = Grid(40, 60, exact=True)
    filled = grid.filled(grid.sum_tiles(cells)).flatten()
    assert np.allclose(filled, reference.block_fractions(cells)[:-1])


@pytest.mark.parametrize(("height", "width"), [(256, 256), (1080, 1920), (131, 77)])
def test_coarse_blocks_hold_every_block_in_between(height, width):
    grid, exact = Grid(height, width), Grid(height, width, exact=True)
    cells = np.random.default_rng(0).random(grid.shape) < 0.2
    cells[: grid.shape[0] // 4, : grid.shape[1] // 5] = True
    coarse = grid.filled(grid.sum_tiles(cells)).max()
    fine = exact.filled(exact.sum_tiles(cells)).max()
    assert fine <= coarse + 1e-6
    assert coarse <= fine * 1.5


@pytest.mark.parametrize("name", ["hard cuts", "half field", "strobe 8 Hz at 24", "red and blue"])
def test_a_margin_keeps_further_below_the_limits(name):
    frames, times = ADVERSARIAL[name]()
    shown, _ = limit(frames, times, FlashLimiter(margin=0.16))
    # As compression might: everything a little more contrasty, and a little noise.
    light = reference.linear_light(shown)
    louder = light.mean() + (light - light.mean()) * 1.1
    noise = np.random.default_rng(0).normal(0, 0.004, louder.shape)
    codes = np.round(luminance_code(np.clip(louder + noise, 0, 1))).astype(np.uint8)
    assert reference.judge(codes, times) == []


def test_switched_off_it_passes_everything():
    frames, t = strobe(15)
    shown, held = limit(frames, t, FlashLimiter(enabled=False))
    assert np.array_equal(shown, frames) and held.max() == 0


def test_tells_how_much_it_flashes_and_holds_back():
    limiter = FlashLimiter()
    assert limiter.flashes == 0 and limiter.held == 0
    frames, t = strobe(10, 30, 1)
    limit(frames, t, limiter)
    assert limiter.flashes == 3
    assert 0 < limiter.held <= 1
    limiter.reset()
    assert limiter.flashes == 0 and limiter.held == 0


def test_another_size_starts_afresh():
    limiter = FlashLimiter()
    limit(*strobe(10), limiter)
    frame = torch.zeros(30, 40, 3, dtype=torch.uint8)
    assert limiter(frame, 0.03) is frame


@torch.inference_mode()
def test_holds_back_large_frames_in_inference_mode():
    limiter = FlashLimiter()
    limit(*strobe(10, 30, 1, h=248, w=1200), limiter)
    assert limiter.held > 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (1, 50), (7, 5)])
def test_tiny_pictures(height, width):
    frames, t = strobe(10, 30, 2, h=height, w=width)
    shown, _ = limit(frames, t)
    assert reference.judge(shown, t) == []


@pytest.mark.parametrize(
    ("frame", "dt"),
    [
        (torch.zeros(4, 4, 3), 0.1),
        (torch.zeros(4, 4, dtype=torch.uint8), 0.1),
        (torch.zeros(4, 4, 4, dtype=torch.uint8), 0.1),
        (torch.zeros(0, 4, 3, dtype=torch.uint8), 0.1),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), -0.1),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), float("nan")),
    ],
)
def test_refuses_what_is_no_frame_or_no_time(frame, dt):
    with pytest.raises(ValueError):
        FlashLimiter()(frame, dt)


def test_refuses_margins_out_of_range():
    with pytest.raises(ValueError, match="margin"):
        FlashLimiter(margin=0.7)
