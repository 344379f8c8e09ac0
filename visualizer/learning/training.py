"""Training runs: a loop that can be bounded, interrupted and resumed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from visualizer.common import heap
from visualizer.common.errors import UserError
from visualizer.common.files import check_writable
from visualizer.common.interrupt import Interrupt
from visualizer.common.progress import bar
from visualizer.learning import distributed
from visualizer.learning.eyes import Eyes
from visualizer.learning.photo import missing
from visualizer.learning.pictures import Pictures
from visualizer.learning.trainer import PARTS, Trainer

SAVE_EVERY_S = 50.0
PREVIEW_EVERY_S = 240.0
SMOOTHING = 0.02


def train(
    folders: list[Path],
    output: Path,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 18,
    seed: int = 0,
    device: torch.device | None = None,
    resume: bool = False,
    start: Path | None = None,
    progress: bool = True,
) -> str:
    """Train until `steps` or `minutes` are over or Ctrl-C; return a clause that says what was done.

    start: a generator to start from instead of from nothing; `steps` are counted from there.

    Beside the output, a `.checkpoint` to resume from is written every minute and a preview sheet
    every four. Raises UserError if the pictures are too few or there is no checkpoint to resume.
    """
    if resume:
        check_resumable(output)
    check_writable(output)
    device = distributed.start(device or torch.device("cpu"))
    processes = distributed.world_size()
    unit = PARTS * processes
    if batch_size % unit:
        raise UserError(f"--batch-size {batch_size} can't be shared; choose a multiple of {unit}.")
    leading = distributed.rank() == 0
    pictures = Pictures(folders, progress and leading, device)
    heap.keep()
    trainer = Trainer(Eyes(device), pictures, batch_size, seed, device)
    if resume:
        trainer.restore(checkpoint_path(output))
    elif start:
        trainer.start_from(start)

    repeat(trainer, output, steps, minutes, batch_size, progress and leading, leading)
    distributed.stop()
    skipped = f"; {missing(pictures.skipped)}" if pictures.skipped else ""
    return f"{trainer.step_count} steps on {len(pictures)} pictures{skipped}"


class Learning(Protocol):
    """A trainer, as far as a run needs to know it."""

    step_count: int

    @property
    def steps_here(self) -> int: ...

    def settle(self, done: float) -> None: ...

    def step(self) -> NamedTuple: ...

    def save_network(self, path: Path) -> None: ...

    def save_checkpoint(self, path: Path) -> None: ...

    def preview(self, path: Path) -> None: ...


def checkpoint_path(output: Path) -> Path:
    """The file beside the output that a run goes on from."""
    return output.with_suffix(".checkpoint.safetensors")


def check_resumable(output: Path) -> None:
    """Raise UserError if there is no checkpoint."""
    if not checkpoint_path(output).is_file():
        raise UserError(f"{checkpoint_path(output)}: no checkpoint to resume; start without --resume.")


def repeat(
    trainer: Learning,
    output: Path,
    steps: int | None,
    minutes: float | None,
    batch_size: int,
    progress: bool,
    leading: bool = True,
) -> None:
    """Step until `steps` or `minutes` are over or Ctrl-C, saving and drawing previews beside the output."""

    def save() -> None:
        if leading:
            trainer.save_checkpoint(checkpoint_path(output))
            trainer.save_network(output)

    begun = time.monotonic()
    saved = previewed = begun
    first = trainer.step_count
    smooth: NamedTuple | None = None
    interrupt = Interrupt("SIGINT", "SIGTERM")
    with interrupt, bar(steps, "training", "step", progress) as progress_bar:
        progress_bar.update(trainer.steps_here)
        while steps is None or trainer.steps_here < steps:
            done = (time.monotonic() - begun) / 60 / minutes if minutes else 0.0
            if steps:
                done = max(done, trainer.steps_here / steps)
            # One clock for all: they must settle in the same step.
            trainer.settle(distributed.average([done])[0])
            losses = trainer.step()
            smooth = losses._make(s + SMOOTHING * (v - s) for s, v in zip(smooth or losses, losses))
            now = time.monotonic()
            rate = (trainer.step_count - first) * batch_size / (now - begun)
            progress_bar.set_postfix_str(f"{rate:.1f} pictures/s, {smooth}", refresh=False)
            progress_bar.update()
            if now - saved > SAVE_EVERY_S:
                save()
                saved = time.monotonic()
            if leading and now - previewed > PREVIEW_EVERY_S:
                trainer.preview(output.with_suffix(".preview.png"))
                previewed = time.monotonic()
            over = minutes is not None and now - begun > 60 * minutes
            if distributed.any_process(over or interrupt.raised):
                break
        save()
        if leading:
            trainer.preview(output.with_suffix(".preview.png"))
