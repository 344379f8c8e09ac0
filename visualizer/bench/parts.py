"""What is measured, one function for each part of the program; each yields its rows."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from visualizer.audio.codebook import Codebook
from visualizer.audio.demo_tune import demo_tune
from visualizer.audio.listener import Event, Listener
from visualizer.audio.song import Recording
from visualizer.audio.spectrum import SAMPLE_RATE
from visualizer.bench.clock import side_by_side
from visualizer.bench.report import Row
from visualizer.bench.stylegan import plan2, with_random_weights
from visualizer.neural import quality
from visualizer.neural.cuda_painter import CudaPainter
from visualizer.neural.generator import Generator, fold_upsampling
from visualizer.neural.inference import Painter, TorchPainter, make_painter
from visualizer.neural.precision import fast_dtype
from visualizer.neural.stream import Painting
from visualizer.offline import engine as offline
from visualizer.picture.flash.limiter import FlashLimiter

# Pictures at once, besides one; a processor is full with few.
BATCHES = {"cpu": (4, 16), "cuda": (4, 16, 64)}
PART = "generator"
OFFLINE = "song to video, 1280x720 at 30 frames/s"


# What has a matrix or filters.
Layer = torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear


def _codes(n: int, generator: Generator) -> list[np.ndarray]:
    """Shape and matter of n pictures."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, generator.code_dim)).astype(np.float32) for _ in range(2)]


def _over_layers(generator: Generator, amount: Callable[[Layer, torch.Tensor, torch.Tensor], float]) -> float:
    """The sum over all layers; amount: of a layer, its input and its output."""
    total = 0.0

    def add(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, Layer):
            total += amount(module, inputs[0], output)

    hooks = [module.register_forward_hook(add) for module in generator.modules()]
    with torch.inference_mode():
        generator(torch.zeros(1, generator.code_dim))
    for hook in hooks:
        hook.remove()
    return total


def operations(generator: Generator) -> float:
    """Floating-point operations of one picture: two for each multiplication of the matrices and filters."""

    def amount(layer: Layer, given: torch.Tensor, made: torch.Tensor) -> float:
        places = given if isinstance(layer, torch.nn.ConvTranspose2d) else made
        return 2 * layer.weight[0].numel() * places.numel()

    return _over_layers(generator, amount)


def traffic(generator: Generator, n: int, itemsize: int) -> float:
    """Bytes of a picture, one of n painted at once, that its layers can't but read and write.

    That is every layer's input, weights and output once, if all that is done between them comes for free.
    """

    def amount(layer: Layer, given: torch.Tensor, made: torch.Tensor) -> float:
        return itemsize * (given.numel() + made.numel() + layer.weight.numel() / n)

    return _over_layers(generator, amount)


def bandwidth(device: torch.device, seconds: float) -> float:
    """Bytes a second that the device's memory reads and writes while it copies."""
    source = torch.empty(2**30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    took = side_by_side({"": lambda: target.copy_(source)}, seconds, device)[""]
    return 2 * source.numel() / took


def ceiling(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Floating-point operations a second of a large matrix multiplication."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    with torch.inference_mode():
        took = side_by_side({"": lambda: torch.mm(a, b, out=out)}, seconds, device)[""]
    return 2 * n**3 / took


def painters(generator: Generator, device: torch.device) -> dict[str, Painting]:
    """Every way to paint on a device in numbers that it computes natively, the program's own first."""
    chosen = make_painter(generator, device)
    found: dict[str, Painting] = {chosen.name: chosen}
    if isinstance(chosen, CudaPainter):
        # As a window needs them; else they are copied to the processor's memory.
        found = {f"{chosen.name}, left on the card": chosen.on_device, **found}
    if device.type == "cpu":
        try:
            from visualizer.neural.openvino_painter import OpenVinoPainter

            exact = OpenVinoPainter(generator, "f32")
            found.setdefault(exact.name, exact)
        except ImportError:
            pass
    for dtype in dict.fromkeys((fast_dtype(device), torch.float32)):
        painter = TorchPainter(generator, device, dtype)
        found.setdefault(painter.name, painter)
    return found


def measure_generator(generator: Generator, device: torch.device, seconds: float) -> Iterator[Row]:
    """Every way to paint, side by side with the plain network, a StyleGAN2, and the machine's ceiling."""
    plain = Generator(generator.channels, generator.refined)
    plain.load_state_dict(generator.state_dict())
    plain.eval().to(device)
    style_gan = with_random_weights(plan2(256)).to(device)
    one = _codes(1, generator)
    code = [torch.from_numpy(part).to(device) for part in one]
    latent = torch.randn(1, 512, device=device)
    ways = painters(generator, device)
    calls: dict[str, Callable[[], object]] = {name: partial(p, *one) for name, p in ways.items()}
    with torch.inference_mode():
        calls["plain eager float32"] = lambda: plain(*code)
        calls["StyleGAN2's size, eager float32"] = lambda: style_gan(
            style_gan.codes(style_gan.mapping(latent))
        )
        took = side_by_side(calls, 4 * seconds, device)
    slow = took["plain eager float32"]
    for name, s in took.items():
        yield Row(PART, f"{name}, batch 1", 1000 * s, "ms a picture", note=f"{slow / s:.2f} x plain")
    names = list(ways)
    yield Row(
        PART,
        f"{names[0]} against StyleGAN2's size",
        took["StyleGAN2's size, eager float32"] / took[names[0]],
        "times as fast",
        True,
    )
    for n in BATCHES[device.type]:
        codes = _codes(n, generator)
        batch = side_by_side({name: partial(p, *codes) for name, p in ways.items()}, seconds, device)
        for name, s in batch.items():
            yield Row(
                PART, f"{name}, batch {n}", n / s, "pictures/s", True, f"{1000 * s / n:.2f} ms a picture"
            )
    # A card is only full with many pictures at once.
    n, share = (BATCHES["cuda"][-1], batch[names[0]]) if device.type == "cuda" else (1, took[names[0]])
    yield from _against_the_ceiling(generator, device, names[0], n, share / n, seconds)


def _against_the_ceiling(
    generator: Generator, device: torch.device, name: str, n: int, took: float, seconds: float
) -> Iterator[Row]:
    """name: of the painter; n: pictures at once; took: seconds a picture."""
    folded = fold_upsampling(generator)
    flop = operations(folded)
    yield Row(PART, "operations of one picture, plain", operations(generator) / 1e9, "GFLOP")
    yield Row(PART, "operations of one picture, folded", flop / 1e9, "GFLOP")
    for dtype in dict.fromkeys((torch.float32, fast_dtype(device))):
        most = ceiling(dtype, device, seconds)
        label = str(dtype).removeprefix("torch.")
        yield Row(PART, f"matrix product, {label}", most / 1e9, "GFLOP/s", True)
        if label in name:
            share = flop / took / most
            achieved = f"{flop / took / 1e9:.0f} GFLOP/s at batch {n}"
            yield Row(PART, f"{name} against that", 100 * share, "% of it", True, achieved)
    if device.type == "cuda":
        most = bandwidth(device, seconds)
        least = traffic(folded, n, fast_dtype(device).itemsize)
        yield Row(PART, "memory copy, read and written", most / 1e9, "GB/s", True)
        achieved = f"{least / 1e6:.1f} MB a picture at batch {n}"
        yield Row(PART, "least traffic against that", 100 * least / took / most, "% of it", True, achieved)


def measure_quality(device: torch.device, seconds: float) -> Iterator[Row]:
    """Both shipped generators beside each other, and which of them a window takes by itself."""
    networks = {name: Generator.load(quality.file(name)) for name in quality.FILES}
    made = {str(name): make_painter(network, device) for name, network in networks.items()}
    codes = _codes(1, networks["light"])
    took = side_by_side({name: partial(p, *codes) for name, p in made.items()}, seconds, device)
    most = quality.LIVE_SHARE * quality.FRAME_S
    chosen = "grand" if took["grand"] <= most else "light"
    for name, s in took.items():
        note = (
            f"live takes {chosen}: grand may take {1000 * most:.1f}" if name == "grand" else made[name].name
        )
        yield Row(PART, name, 1000 * s, "ms a picture", note=note)


def measure_sound(codebook: Codebook, seconds: float) -> Iterator[Row]:
    """What the audio callback computes for each hop, and what the physics does for each step."""
    listener = Listener(codebook)
    hop_length = codebook.settings.hop_length
    noise = np.random.default_rng(0).standard_normal(hop_length).astype(np.float32) * 0.1
    _, _, motion = offline.open_parts("garden")
    motion.hear(Event(0.0, 3, -20.0, 0.0))
    now = 0.0

    def step() -> None:
        nonlocal now
        now += 1 / 240
        motion.advance(now)
        motion.code(now)

    took = side_by_side({"hop": lambda: list(listener.push(noise)), "step": step}, seconds)
    hop = codebook.settings.hop_s
    yield Row(
        "sound and physics",
        "spectrum and cluster of a hop",
        1e6 * took["hop"],
        "µs",
        note=f"{took['hop'] / hop:.1%} of its time",
    )
    yield Row("sound and physics", "step and position of the particle", 1e6 * took["step"], "µs")


def measure_limiter(seconds: float, device: torch.device) -> Iterator[Row]:
    """A frame through the flash limiter: while nothing is wrong, and while it has to hold back."""
    rng = np.random.default_rng(0)
    for height, width in ((256, 256), (1080, 1920)):
        base = torch.from_numpy(rng.integers(60, 120, (height, width, 3), np.uint8)).to(device)
        calm = [base, base + 1]
        strobe = [torch.zeros_like(base), torch.full_like(base, 255)]
        calls = {"watching": _limiting(calm), "holding back a strobe": _limiting(strobe)}
        for name, s in side_by_side(calls, seconds, device).items():
            yield Row("flash limiter", f"{width}x{height}, {name}", 1000 * s, "ms a frame")


def _limiting(frames: list[torch.Tensor]) -> Callable[[], object]:
    """One frame after the other, over and over, through a limiter that has seen some."""
    limiter, turns = FlashLimiter(), cycle(frames)

    def show() -> None:
        limiter(next(turns), 1 / 60)

    for _ in range(60):
        show()
    return show


def measure_window(
    seconds: float, device: torch.device, size: tuple[int, int] = (1280, 720)
) -> Iterator[Row]:
    """Upload and draw in a window, each way; frames come from the device.

    Raises UserError where there is no window.
    """
    from visualizer.output.window import Window

    with Window("visualizer bench", size, vsync=False) as window:
        # Only a window knows that there is an OpenGL to import.
        from visualizer.output.graphics import GL
        from visualizer.output.upscale import WAYS, Upscaler, Way

        upscaler = Upscaler()
        frame = torch.randint(0, 255, (248, 441, 3), dtype=torch.uint8, device=device)

        def show(way: Way) -> None:
            upscaler.way = way
            upscaler.upload(frame)
            upscaler.draw(*window.size)
            GL.glFinish()

        ways: dict[str, Callable[[], object]] = {way: partial(show, way) for way in WAYS}
        for name, s in side_by_side(ways, seconds).items():
            drawn = f"upload and draw, {name}, {size[0]}x{size[1]}"
            yield Row("window", drawn, 1000 * s, "ms a frame", note=window.renderer)
        if device.type == "cuda":
            yield from _uploads(frame, seconds)
        upscaler.release()


def _uploads(frame: torch.Tensor, seconds: float) -> Iterator[Row]:
    """A frame from the card to the window's texture, on the card and through memory."""
    from visualizer.output.graphics import GL
    from visualizer.output.upscale import Upscaler

    direct, detour = Upscaler(), Upscaler(interop=False)

    def upload(upscaler: Upscaler) -> None:
        upscaler.upload(frame)
        GL.glFinish()

    calls: dict[str, Callable[[], object]] = {"memory": lambda: upload(detour)}
    direct.upload(frame)
    if direct.interop:
        calls["interop"] = lambda: upload(direct)
        calls["interop, not waited for"] = lambda: direct.upload(frame)
    for name, s in side_by_side(calls, seconds, frame.device).items():
        yield Row("window", f"upload from the card, {name}", 1000 * s, "ms a frame")
    direct.release()


def measure_offline(painter: Painter, seconds: float) -> Iterator[Row]:
    """Rendering the demo tune to a file of 1280x720 at 30 frames a second."""
    preset, codebook, motion = offline.open_parts("garden")
    tune = Recording("the demo tune", demo_tune()[: int(seconds * SAMPLE_RATE)])
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        report = offline.render(
            tune,
            {Path(folder) / "demo.mp4": (1280, 720)},
            preset,
            motion,
            codebook,
            offline.painted_by(painter),
            Fraction(30),
        )
        took = time.perf_counter() - begun
    yield Row(OFFLINE, "speed", report.seconds / took, "x real time", True)
    for name, s in report.took.items():
        yield Row(OFFLINE, name, 1000 * s / report.frames, "ms a frame")


def measure_start(device: torch.device, seconds: float) -> Iterator[Row]:
    """A new process from nothing to its first picture; three of them, if there are seconds enough."""
    program = (
        "from visualizer.common import assets; from visualizer.offline import engine as offline;"
        "from visualizer.neural.generator import Generator;"
        "from visualizer.neural.inference import choose_device, make_painter;"
        "preset, codebook, motion = offline.open_parts('garden');"
        "generator = Generator.load(assets.model('generator.safetensors'));"
        f"make_painter(generator, choose_device('{device.type}'))(motion.code(0.0).shape[None])"
    )
    times = []
    for _ in range(max(1, min(3, round(3 * seconds)))):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.perf_counter() - begun)
    yield Row("start", "from nothing to the first picture", statistics.median(times), "s")


def measure_live(device: torch.device, seconds: float) -> Iterator[Row]:
    """The whole instrument in a small window, on the default microphone. UserError without a display."""
    from visualizer.live import run_live

    result = run_live(compute=device.type, size=(512, 512), seconds=seconds)
    part = "live, 512x512, default microphone"
    for name, record in (
        ("between two frames", result.intervals),
        ("painting", result.paintings),
        ("effects, limiter and drawing", result.composing),
        ("from sound to screen", result.latencies),
    ):
        spread = record.spread()
        if spread is not None:
            median, p99, _ = spread
            yield Row(part, f"{name}, median", 1000 * median, "ms", note=f"99 % within {1000 * p99:.1f} ms")
    yield Row(part, "first picture after", result.first_picture, "s")
    if result.callback_share is not None:
        yield Row(part, "audio callback, 99 % within", 100 * result.callback_share[1], "% of its time")
