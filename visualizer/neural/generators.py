"""Generators of both kinds: the program's own, and StyleGANs that were imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from visualizer.common import assets, weights
from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.latent.space import Space
from visualizer.neural.generator import Generator
from visualizer.neural.stylegan.imported import KIND, StyleGan

AnyGenerator = Generator | StyleGan
"""Both draw pictures [n, 3, size, size] of shape and matter [n, code_dim]."""


def load(path: Path | None = None) -> AnyGenerator:
    """The generator of a file, of either kind; None is the shipped one. Raises UserError if it is none."""
    path = path or assets.model("generator.safetensors")
    if path.suffix in (".pkl", ".pt", ".pth"):
        becomes = path.with_suffix(".safetensors")
        raise UserError(f"{path} has to be imported first: `visualizer import {path} -o {becomes}`.")
    return StyleGan.load(path) if weights.kind(path) == KIND else Generator.load(path)


def space(generator: AnyGenerator, path: Path | None = None) -> Space:
    """The space of a generator's codes; path: its file, None is the shipped one's."""
    return Space(generator.code_dim, generator.space, path or assets.model("generator.safetensors"))


def made_up(generator: AnyGenerator) -> Callable[[], Bank] | None:
    """What makes a bank of random codes, for a generator that draws something of nearly all of them."""
    return generator.random_bank if isinstance(generator, StyleGan) else None
