"""The command that finds poses in still pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from visualizer.cli import options
from visualizer.cli.group import INTERRUPTED
from visualizer.common.files import check_writable


@click.command(short_help="Find people's poses in still pictures.")
@click.argument("photos", nargs=-1, required=True, type=options.FILE, metavar="PHOTO...")
@options.output("FILE.safetensors", "The bank of poses to write.")
def poses(photos: tuple[Path, ...], output: Path) -> None:
    """Find the people in PHOTOs (files or folders), photos, paintings or a film's stills, and keep how each
    holds itself: 33 points.

    A sheet with the skeletons drawn over the pictures is written beside the output. Who is cut off at the
    edge or mostly hidden, and poses that are there already, are counted and left out. Ctrl-C keeps what is
    found. Name the file in a preset, as [poses] file, and a figure dances from pose to pose.

    \b
    Examples:
      visualizer poses dancer/*.jpg -o dancer.safetensors
      visualizer sheet dancer.safetensors -o dancer.png
    """
    check_writable(output)
    sheet = output.with_suffix(".jpg")
    check_writable(sheet)

    from visualizer.learning.finding import skeletons
    from visualizer.learning.finding.finder import Finder
    from visualizer.learning.finding.gathering import gather
    from visualizer.learning.photo import missing

    gathered, interrupted = gather(photos, Finder())
    bank = gathered.poses()
    bank.save(output)
    skeletons.sheet(gathered.tiles, bank.pictures).save(sheet, quality=88)
    notes = [gathered.report(), missing(gathered.skipped) if gathered.skipped else ""]
    told = "".join(f"; {note}" for note in notes if note)
    click.echo(f"{output}: {len(bank)} poses of {len(set(bank.pictures))} pictures{told}.")
    if interrupted:
        click.echo("stopped early; what was found is kept.", err=True)
        sys.exit(INTERRUPTED)
