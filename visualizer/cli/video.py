"""Commands that make and mend video files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from visualizer.cli import options
from visualizer.cli.group import INTERRUPTED
from visualizer.common.errors import UserError
from visualizer.common.files import check_writable, unwritable

if TYPE_CHECKING:
    from visualizer.audio.song import Recording, Song
    from visualizer.neural.inference import Painter
    from visualizer.offline.crew import Crew
    from visualizer.offline.engine import Paint
    from visualizer.offline.studio import Studio

# Which wishes say what videos look like.
LOOK = (
    "preset",
    "codebook",
    "seed",
    "bank",
    "figure",
    "sensitivity",
    "generator",
    "quality",
    "compute",
    "fps",
    "titles",
    "logo",
)


@click.command(short_help="Make music videos from songs.")
@click.argument("songs", nargs=-1, required=True, type=options.MEDIA, metavar="SONG...")
@click.option(
    "-o",
    "--output",
    type=options.MEDIA,
    required=True,
    metavar="FILE.mp4|FOLDER/",
    help="The video to write, or where those of several songs go.",
)
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
@click.option(
    "--cluster",
    metavar="ADDRESS|N",
    help="Share the work with a dask cluster of yours, tcp://… or tls://…, or N processes of this machine.",
)
@options.rendering
def render(
    songs: tuple[str, ...],
    output: str,
    start: float,
    duration: float | None,
    channels: tuple[int, ...],
    cluster: str | None,
    **wishes: Unpack[options.RenderingOptions],
) -> None:
    """Make a music video from SONG, any file with sound that FFmpeg can read; - is the standard input.

    The video is H.264 and AAC in MP4, with the song as its sound. Ctrl-C stops early and leaves a
    playable video of what is done. The same song, preset and seed give the same pictures.

    Of several songs, folders and M3U lists each song becomes a video in a folder, named after it.
    What is done already is left out, so that Ctrl-C and the same command again go on; a bad song
    doesn't stop the rest, but makes the exit code 2. --size may be given several times.

    \b
    Examples:
      visualizer render song.mp3 -o clip.mp4
      visualizer render song.flac -o reel.mp4 --size 1080x1920 --start 60 --duration 30
      visualizer render talk.mkv -o talk.mp4 --preset creatures --fps 60 --seed 7
      visualizer render album/*.flac live/ party.m3u -o videos/ --size 1920x1080 --size 1080x1920
      visualizer render album/ -o videos/ --cluster tcp://192.168.1.20:8786
      sox song.aiff -t flac - | visualizer render - -o clip.mp4
    """
    from visualizer.offline.songs import is_album, songs_of

    path = Path(output)
    if len(songs) > 1 or is_album(songs[0]) or path.is_dir() or output.endswith(("/", os.sep)):
        make_album(songs_of(songs), path, start, duration, channels, cluster, **wishes)
        return

    from visualizer.audio.song import Song

    if path.exists() and os.path.exists(songs[0]) and path.samefile(songs[0]):
        raise UserError(f"{output} is the song itself; give the video another name.")
    make_video(Song(songs[0], start, duration, channels), path, cluster, **wishes)


def make_studio(wishes: options.RenderingOptions, videos: str) -> tuple[Studio, Painter, str]:
    """A studio, its painter, and which generator that is. videos: what it is for, to people."""
    from visualizer.neural.inference import pictures_a_second
    from visualizer.neural.stylegan.imported import StyleGan
    from visualizer.offline.studio import furnish

    options.check_quality(wishes["quality"], wishes["generator"])
    about = {key: wishes[key] for key in LOOK}  # type: ignore[literal-required]
    studio, painter, quality = furnish(**about, limit_flashes=not wishes["allow_flashing"])
    if isinstance(studio.generator, StyleGan):
        example, fps = studio.motion.targets[:1], studio.fps
        rate = pictures_a_second(painter, example)
        if rate < fps:
            work = f"{fps / rate:.0f} s of work for each second of video"
            click.echo(
                f"about {rate:.2g} pictures of {studio.generator.name} a second here: {work}.", err=True
            )
    if wishes["allow_flashing"]:
        options.warn_of_flashing(videos)
    return studio, painter, f", {quality}" if quality and not wishes["generator"] else ""


@contextmanager
def crew_of(cluster: str | None, studio: Studio, painter: Painter) -> Iterator[tuple[Paint, Crew | None]]:
    """Who paints what is heard here, and the crew of a cluster, if one is asked for."""
    from visualizer.offline.engine import painted_by

    if cluster is None:
        yield painted_by(painter), None
        return
    from visualizer.offline.crew import hired

    with hired(cluster, studio, say) as crew:
        yield crew.paint, crew


def make_video(
    song: Song | Recording,
    output: Path,
    cluster: str | None = None,
    **wishes: Unpack[options.RenderingOptions],
) -> None:
    """Render a song to a file, or one of each size, and tell how it went."""
    from visualizer.output.video import check_path, check_size

    for size in wishes["size"]:
        check_size(*size)
    check_path(output)

    from visualizer.common.progress import bar
    from visualizer.offline import engine
    from visualizer.offline.album import named

    videos = named(output, wishes["size"])
    for path in videos:
        check_writable(path)
    names = ", ".join(map(str, videos))
    studio, painter, by = make_studio(wishes, names)
    expected = engine.expected_frames(song, studio.fps)
    with crew_of(cluster, studio, painter) as (paint, _), bar(expected, output.name, "frame") as shown:
        report = studio.film(song, videos, paint, tell=shown.update)
    click.echo(f"{names}: {report.frames} frames, {report.seconds:.1f} s, preset {studio.preset.title}{by}.")
    if report.remark:
        click.echo(f"{song.name}: {report.remark}.")
    if wishes["verbose"]:
        click.echo(report.timings())
    if report.interrupted:
        click.echo(f"stopped early; {names} holds what was done.", err=True)
        sys.exit(INTERRUPTED)
    if report.damage:
        raise UserError(
            f"{song.name} is damaged: {'; '.join(report.damage)}; {names} holds what could be read, "
            f"use an intact copy for the rest."
        )


def make_album(
    songs: list[str],
    folder: Path,
    start: float,
    duration: float | None,
    channels: tuple[int, ...],
    cluster: str | None,
    **wishes: Unpack[options.RenderingOptions],
) -> None:
    """Videos of many songs in a folder, and a summary."""
    from visualizer.output.video import check_size

    for size in wishes["size"]:
        check_size(*size)
    if folder.suffix.lower() == ".mp4" and not folder.is_dir():
        raise UserError(f"{folder}: {len(songs)} songs become as many videos; give -o a folder for them.")
    if "-" in songs:
        raise UserError("the standard input can't be one of several songs; give -o a file for it alone.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    check_writable(folder / "video.mp4")

    from visualizer.offline import album

    studio, painter, by = make_studio(wishes, f"what is in {folder}")
    jobs = album.plan(songs, folder, wishes["size"])
    party = album.Album(jobs, studio, album.Cut(start, duration, channels), say)
    try:
        with crew_of(cluster, studio, painter) as (paint, crew):
            tally = party.make(paint, crew)
    except (KeyboardInterrupt, UserError):
        click.echo(f"{folder}: {party.tally}; the same command goes on from here.", err=True)
        raise
    click.echo(f"{folder}: {tally}, preset {studio.preset.title}{by}.")
    bad = len(tally.failures) + tally.damaged
    if bad:
        raise UserError(f"something was wrong with {bad} of {album.counted(len(songs), 'song')}; see above.")


def say(sentence: str) -> None:
    """A line above the progress bar."""
    from tqdm import tqdm

    tqdm.write(sentence, file=sys.stderr)


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
