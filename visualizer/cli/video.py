"""Commands that make and mend video files."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from visualizer.cli import options
from visualizer.cli.group import INTERRUPTED
from visualizer.common.errors import UserError
from visualizer.common.files import check_writable

if TYPE_CHECKING:
    from visualizer.audio.song import Recording, Song


@click.command(short_help="Make a music video from a song.")
@click.argument("song", type=options.MEDIA)
@options.output("FILE.mp4", "The video to write.")
@click.option(
    "--start", type=click.FloatRange(0), default=0.0, metavar="S", help="Begin at this second of the song."
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Stop after so many seconds.  [default: the whole song]",
)
@options.channels
@options.rendering
def render(
    song: str,
    output: Path,
    start: float,
    duration: float | None,
    channels: tuple[int, ...],
    **wishes: Unpack[options.RenderingOptions],
) -> None:
    """Make a music video from SONG, any file with sound that FFmpeg can read; - is the standard input.

    The video is H.264 and AAC in MP4, with the song as its sound. Ctrl-C stops early and leaves a
    playable video of what is done. The same song, preset and seed give the same pictures.

    \b
    Examples:
      visualizer render song.mp3 -o clip.mp4
      visualizer render song.flac -o reel.mp4 --size 1080x1920 --start 60 --duration 30
      visualizer render talk.mkv -o talk.mp4 --preset creatures --fps 60 --seed 7
      sox song.aiff -t flac - | visualizer render - -o clip.mp4
    """
    from visualizer.audio.song import Song

    if output.exists() and os.path.exists(song) and output.samefile(song):
        raise UserError(f"{output} is the song itself; give the video another name.")
    make_video(Song(song, start, duration, channels), output, **wishes)


def make_video(
    song: Song | Recording,
    output: Path,
    preset: str,
    size: tuple[int, int],
    fps: Fraction,
    seed: int | None,
    codebook: Path | None,
    generator: Path | None,
    quality: str,
    bank: Path | None,
    compute: str,
    allow_flashing: bool,
    sensitivity: float | None,
    verbose: bool,
) -> None:
    """Render a song to a file and tell how it went."""
    from visualizer.output.video import check_path, check_size

    check_size(*size)
    check_path(output)
    check_writable(output)

    from visualizer.common.cores import painting_threads
    from visualizer.control.banks import Banks
    from visualizer.neural import generators
    from visualizer.neural import quality as qualities
    from visualizer.neural.inference import Painter, choose_device, make_painter, pictures_a_second
    from visualizer.neural.stylegan.imported import StyleGan
    from visualizer.offline import engine as offline

    network = generators.load(generator)
    banks = Banks(bank, generators.space(network, generator), generators.made_up(network))
    chosen, sounds, motion = offline.open_parts(preset, codebook, seed, banks, sensitivity)
    options.check_quality(quality, generator)
    device, threads = choose_device(compute), painting_threads()
    if generator is None:

        def make(choice: qualities.Quality) -> Painter:
            return make_painter(generators.load(qualities.file(choice)), device, threads)

        painter, quality = qualities.for_video(quality, make, motion.targets[: offline.BATCH_SIZE], fps)
    else:
        painter = make_painter(network, device, threads)
    if isinstance(network, StyleGan):
        painter(motion.targets[:1])  # the first one takes long
        rate = pictures_a_second(painter, motion.targets[:1])
        if rate < fps:
            work = f"{fps / rate:.0f} s of work for each second of video"
            click.echo(f"about {rate:.2g} pictures of {network.name} a second here: {work}.", err=True)
    if allow_flashing:
        options.warn_of_flashing(str(output))
    report = offline.render(song, output, chosen, motion, sounds, painter, size, fps, not allow_flashing)
    by = "" if generator else f", {quality}"
    click.echo(f"{output}: {report.frames} frames, {report.seconds:.1f} s, preset {chosen.title}{by}.")
    if report.remark:
        click.echo(f"{song.name}: {report.remark}.")
    if verbose:
        click.echo(report.timings())
    if report.interrupted:
        click.echo(f"stopped early; {output} holds what was done.", err=True)
        sys.exit(INTERRUPTED)
    if report.damage:
        raise UserError(
            f"{song.name} is damaged: {'; '.join(report.damage)}; {output} holds what could be read, "
            f"use an intact copy for the rest."
        )


@click.command(short_help="Check a video for dangerous flashes.")
@click.argument("video", type=options.MEDIA)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--fix",
    type=options.FILE,
    metavar="OUT.mp4",
    help="Write a safe copy with its sound, and report on that.",
)
def check(video: str, as_json: bool, fix: Path | None) -> None:
    """Check any VIDEO against WCAG 2.2, 2.3.1 (general and red flashes).

    The exit code is 0 if it passes, 1 if it fails, 2 if it passes as far as it can be read, but is damaged.

    \b
    Examples:
      visualizer check clip.mp4
      visualizer check clip.mp4 --fix safe.mp4
    """
    import json

    from visualizer.audio.media import title
    from visualizer.offline.flash_check import check_video
    from visualizer.offline.flash_fix import fix_video

    report = fix_video(video, fix) if fix else check_video(video)
    click.echo(json.dumps(report.to_dict(), indent=1) if as_json else report)
    if report.safe and report.damage:
        raise UserError(
            f"{title(video)} is damaged: {'; '.join(report.damage)}; only what could be read was checked, "
            f"use an intact copy for the rest."
        )
    sys.exit(0 if report.safe else 1)
