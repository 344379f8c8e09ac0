"""A whole benchmark run: part after part, each told about while it is measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from visualizer import __version__
from visualizer.audio.codebook import Codebook
from visualizer.bench import parts
from visualizer.bench.report import Report, Row
from visualizer.bench.stylegan import measure_stylegan
from visualizer.common import assets
from visualizer.common.cores import painting_threads
from visualizer.common.errors import UserError
from visualizer.common.progress import bar
from visualizer.neural import generators
from visualizer.neural.inference import make_painter
from visualizer.neural.stylegan.imported import StyleGan


def machine(device: torch.device) -> dict[str, str]:
    """The names of what is measured."""
    found = {
        "visualizer": __version__,
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
    }
    try:
        import openvino

        found["openvino"] = openvino.__version__
    except ImportError:
        found["openvino"] = "not installed"
    return found


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def run(
    device: torch.device, seconds: float, generator_path: Path | None = None, progress: bool = True
) -> Report:
    """Measure everything. seconds: about how long each single comparison goes on. generator_path: None is the
    shipped one; of an imported one only the painting is measured."""
    generator = generators.load(generator_path)
    if isinstance(generator, StyleGan):
        report = Report(machine(device))
        report.rows.extend(measure_stylegan(generator, device, 4 * seconds))
        return report
    codebook = Codebook.load(assets.model("codebook.safetensors"))
    painter = make_painter(generator, device, painting_threads())
    report = Report(machine(device))
    todo: dict[str, Callable[[], Iterator[Row]]] = {
        "generator": lambda: parts.measure_generator(generator, device, seconds),
        "quality": lambda: parts.measure_quality(device, seconds),
        "sound and physics": lambda: parts.measure_sound(codebook, seconds),
        "flash limiter": lambda: parts.measure_limiter(seconds, device),
        "window": lambda: parts.measure_window(seconds, device),
        "song to video": lambda: parts.measure_offline(painter, 10 * seconds),
        "live": lambda: parts.measure_live(device, 10 * seconds),
        "start": lambda: parts.measure_start(device, seconds),
    }
    with bar(len(todo), "measuring", "part", progress) as progress_bar:
        for name, measure in todo.items():
            progress_bar.set_postfix_str(name)
            try:
                report.rows.extend(measure())
            except UserError as error:
                report.left_out[name] = str(error)
            progress_bar.update()
    report.limits = limits(report.rows)
    return report


def limits(rows: list[Row]) -> str:
    """What takes longest on the way of a frame into a video."""
    stages = {
        row.name: row.value
        for row in rows
        if row.part == parts.OFFLINE and row.unit == "ms a frame" and not row.name.startswith("waiting")
    }
    if not stages:
        return ""
    slowest = max(stages, key=stages.__getitem__)
    return f"{slowest}, {stages[slowest]:.1f} of {sum(stages.values()):.1f} ms of work a frame"
