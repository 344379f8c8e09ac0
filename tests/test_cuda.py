"""The graphics card: what runs there does as the processor does, and its frames reach the window.

Skipped where there is no CUDA. For the window tests SDL's offscreen driver needs the card's EGL.
"""

import threading
import time
from fractions import Fraction

import av
import flash_reference as reference
import numpy as np
import pytest
import torch
from test_flash import ADVERSARIAL, limit

from visualizer.audio.accents import Accents
from visualizer.audio.song import Song
from visualizer.common import assets
from visualizer.control import preset as presets
from visualizer.latent.bank import Bank
from visualizer.neural.generator import Generator
from visualizer.neural.inference import TorchPainter, make_painter
from visualizer.offline import engine as offline
from visualizer.output import interop
from visualizer.picture.flash.limiter import FlashLimiter
from visualizer.picture.stage import Stage

CPU, CARD = torch.device("cpu"), torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


@pytest.fixture(scope="module")
def codes():
    return Bank.load(assets.model("bank.safetensors")).codes[:20]


@pytest.fixture(scope="module", params=["own kernels", "torch's kernels"])
def painter(generator, request):
    from visualizer.neural.cuda_painter import CudaPainter

    painter = CudaPainter(generator, CARD, own_kernels=request.param == "own kernels")
    if request.param not in painter.name and request.param == "own kernels":
        pytest.skip("there are no kernels without the cuda-bindings package")
    return painter


@pytest.fixture(scope="module")
def pictures(generator, codes):
    """[n, 256, 256, 3] uint8, painted by the processor."""
    return make_painter(generator, CPU)(codes)


@pytest.mark.parametrize("n", [1, 3, 16])
def test_the_painter_draws_the_same_picture(generator, painter, codes, n):
    """Within 1/255 of the network as it was trained, mean absolute difference."""
    matter = codes[::-1].copy()
    with torch.no_grad():
        plain = generator(torch.from_numpy(codes), torch.from_numpy(matter)).permute(0, 2, 3, 1).numpy() * 255
    for start in (0, 1, 4):  # again and again from the recorded graph, with other codes
        part = slice(start, start + n)
        picture = painter(codes[part], matter[part])
        assert picture.dtype == np.uint8 and picture.shape == plain[part].shape
        assert np.abs(picture - plain[part]).mean() < 1
        assert np.array_equal(painter(codes[part]), painter(codes[part], codes[part]))
        on_card = painter.on_device(codes[part], matter[part])
        assert on_card.is_cuda and np.array_equal(on_card.cpu().numpy(), picture)


def test_pictures_on_the_card_stay_when_the_next_ones_are_painted(painter, codes):
    first = painter.on_device(codes[:1])
    before = first.cpu()
    for i in range(8):
        painter.on_device(codes[i : i + 1])
    assert torch.equal(first.cpu(), before)


def test_two_threads_may_paint_at_once(painter, codes):
    expected = [painter(codes[i : i + 1]) for i in range(8)]
    wrong = []

    def paint(thread):
        for i in range(100):
            k = (i + thread) % 8
            wrong.append(not np.array_equal(painter(codes[k : k + 1]), expected[k]))

    threads = [threading.Thread(target=paint, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 300 and not any(wrong)


@pytest.mark.parametrize("preset", assets.preset_names())
def test_the_stage_composes_the_same_frames(pictures, preset):
    """Effects as on the processor, within what rounding does; without any, to the bit."""
    frames = []
    for device in (CPU, CARD):
        limiter = FlashLimiter(enabled=False)
        stage = Stage(16 / 9, limiter)
        look = presets.load(presets.find(preset))
        stage.play(look, stage.effects(look), 0)
        for i, picture in enumerate(pictures):
            frame = stage(torch.from_numpy(picture).to(device), Accents(-20.0, float(i % 5 == 0)), 1 / 30)
        assert frame.device.type == device.type
        frames.append(frame.cpu().numpy().astype(int))
    difference = np.abs(frames[0] - frames[1])
    assert difference.mean() < 0.2 and np.quantile(difference, 0.999) <= 2


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_limiter_keeps_the_rule(name):
    frames, times = ADVERSARIAL[name]()
    limiter = FlashLimiter()

    def on_card(frame, dt):
        shown = limiter(frame.to(CARD), dt)
        on_card.held = limiter.held
        return shown.cpu()

    shown, _ = limit(frames, times, on_card)
    assert reference.judge(shown, times) == []
    assert reference.judge_mean(shown, times) == []


@pytest.mark.parametrize("way", ["interop", "memory"])
def test_a_frame_on_the_card_reaches_the_window(window, pictures, monkeypatch, way):
    from visualizer.output.graphics import read_screen
    from visualizer.output.upscale import Upscaler

    def no_runtime():
        raise interop.NoInterop("not today")

    if way == "memory":
        monkeypatch.setattr(interop, "_runtime", no_runtime)
    expected, upscaler = Upscaler(), Upscaler()
    for i, picture in enumerate(pictures):
        # Other sizes too, as when a window is resized; odd widths have rows of odd length.
        frame = torch.from_numpy(picture[: 200 + 10 * (i // 7), : 241 + 5 * (i // 7)].copy())
        expected.upload(frame)
        expected.draw(*window.size)
        wanted = read_screen(*window.size).copy()
        upscaler.upload(frame.to(CARD))
        upscaler.draw(*window.size)
        assert np.array_equal(read_screen(*window.size), wanted)
    if way == "interop" and window.software:
        pytest.skip(f"the frames came through memory: {window.renderer} draws the window")
    assert upscaler.interop == (way == "interop")
    upscaler.release()


def test_a_video_is_the_same(generator, painter, tmp_path, song):
    """As the processor makes it in float32: what bfloat16 rounds off, the encoder makes more of."""
    films = []
    for name, one in (("card", painter), ("processor", TorchPainter(generator, CPU, torch.float32))):
        look, codebook, motion = offline.open_parts("garden")
        path = tmp_path / f"{name}.mp4"
        paint = offline.painted_by(one)
        offline.render(Song(song), {path: (320, 180)}, look, motion, codebook, paint, Fraction(30))
        with av.open(str(path)) as container:
            films.append(np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)]))
    assert films[0].shape == films[1].shape and films[0].std() > 20
    assert np.abs(films[0].astype(int) - films[1]).mean() < 2


def test_the_show_runs_on_the_card_and_goes_on_without_it(window, monkeypatch):
    """The whole engine; in the middle of it the card's memory is full."""
    from visualizer.live.engine import Engine
    from visualizer.live.loading import Wishes
    from visualizer.neural.cuda_painter import CudaPainter

    live = Engine(window, Wishes(preset="garden", compute="cuda"), time.perf_counter())
    on_device, full = CudaPainter.on_device, threading.Event()

    def paint(painter, *codes):
        if full.is_set():
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return on_device(painter, *codes)

    monkeypatch.setattr(CudaPainter, "on_device", paint)
    seen = []

    def wait(condition):
        end = time.monotonic() + 60
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)

    def watch():
        try:
            wait(lambda: live.statistics.frames > 60)
            seen.append(live._shown.pixels.device.type)
            full.set()
            wait(lambda: "graphics card" in live.hud.message)
            seen.append(live.hud.message)
            before = live.statistics.frames
            wait(lambda: live.statistics.frames > before + 60)
            seen.append(live._shown.pixels.device.type)
        finally:
            window.closed = True

    watcher = threading.Thread(target=watch)
    watcher.start()
    statistics = live.run(seconds=180)
    watcher.join()
    assert seen[0] == "cuda" and seen[2] == "cpu" and "ran out of memory" in seen[1], seen
    assert statistics.frames > 120


def test_training_goes_as_on_the_processor(tmp_path):
    from PIL import Image

    from visualizer.learning.eyes import Eyes
    from visualizer.learning.pictures import Pictures
    from visualizer.learning.trainer import Trainer

    rng = np.random.default_rng(0)
    for i in range(60):
        rough = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        rough.resize((256, 256), Image.Resampling.BICUBIC).save(tmp_path / f"{i:02d}.png")
    losses = []
    for device in (CPU, CARD):
        pictures = Pictures([tmp_path], progress=False, device=device)
        run = Trainer(Eyes(device), pictures, 9, seed=0, device=device)
        run.start_from(assets.model("generator.safetensors"))
        losses.append([run.step() for _ in range(2)][-1])
        run.save_checkpoint(tmp_path / "checkpoint.safetensors")
        run.restore(tmp_path / "checkpoint.safetensors")
        run.save_network(tmp_path / "generator.safetensors")
    assert losses[1].feature == pytest.approx(losses[0].feature, rel=0.1)
    assert losses[1].classes == pytest.approx(losses[0].classes, rel=0.2)
    assert Generator.load(tmp_path / "generator.safetensors").channels


def test_dreaming_climbs(visualizer, tmp_path):
    path = tmp_path / "bank.safetensors"
    run = visualizer("dream", "--classes", "goldfish", "--count", "3", "--compute", "cuda", "-o", path)
    assert run.returncode == 0, run.stderr
    assert len(Bank.load(path)) == 3
