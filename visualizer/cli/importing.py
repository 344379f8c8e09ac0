"""The command that brings in networks of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from visualizer.cli import options
from visualizer.common.files import check_writable


@click.command("import", short_help="Bring your own StyleGAN.")
@click.argument("file", type=options.FILE, metavar="NETWORK.pkl")
@options.output("FILE.safetensors", "The generator to write.")
def import_stylegan(file: Path, output: Path) -> None:
    """Turn a StyleGAN's pickle, as its authors' programs save it, into a generator to play with.

    StyleGAN2, StyleGAN2-ADA and StyleGAN3 (t and r) of NVIDIA's PyTorch programs, with and without classes. A
    pickle is a program; this one is read as data, nothing in it is run, and what is no network is refused.

    \b
    Examples:
      visualizer import network-snapshot-025000.pkl -o mine.safetensors
      visualizer sheet mine.safetensors -o mine.jpg
      visualizer play song.mp3 --generator mine.safetensors
    """
    check_writable(output)

    from visualizer.learning.importing.stylegan import import_network

    network = import_network(file)
    network.save(output)
    classes = network.plan.mapping.c_dim
    clause = f", {classes} classes" if classes else ""
    click.echo(f"{output}: {network.name} of {network.code_dim} numbers{clause}.")
