"""Training a figure: people of one's photos, and matter of the shipped bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from visualizer.common import assets, heap
from visualizer.common.errors import UserError
from visualizer.common.files import check_writable
from visualizer.latent.bank import Bank
from visualizer.learning import training
from visualizer.learning.eyes import Eyes
from visualizer.learning.figures.people import People
from visualizer.learning.figures.pose_loss import PoseLoss
from visualizer.learning.figures.trainer import FigureTrainer
from visualizer.learning.finding.finder import Finder, points_network


def train(
    photos: Sequence[Path],
    output: Path,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 12,
    seed: int = 0,
    device: torch.device | None = None,
    resume: bool = False,
    start: Path | None = None,
    progress: bool = True,
) -> str:
    """Train until `steps` or `minutes` are over or Ctrl-C; return a clause that says what was done.

    start: a figure to start from instead of from the shipped generator; `steps` are counted from there. The
    others, and what is written, are as of `training.train`.
    """
    if resume:
        training.check_resumable(output)
    if batch_size % 2:
        raise UserError(f"--batch-size {batch_size} can't be halved; choose an even number.")
    check_writable(output)
    people = People(photos, Finder(), progress)
    heap.keep()
    device = device or torch.device("cpu")
    trainer = FigureTrainer(
        people,
        Bank.load(assets.model("bank.safetensors")),
        assets.model("generator.safetensors"),
        Eyes(device),
        PoseLoss(points_network().to(device)),
        batch_size,
        seed,
        device,
    )
    if resume:
        trainer.restore(training.checkpoint_path(output))
    elif start:
        trainer.start_from(start)
    training.repeat(trainer, output, steps, minutes, batch_size, progress)
    return f"{trainer.step_count} steps on {len(people)} people"
