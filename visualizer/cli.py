"""The command line: one short function per command, that parses, calls and prints.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from visualizer import __version__
from visualizer.errors import UserError

if TYPE_CHECKING:
    from visualizer.audio.song import Recording, Song

INTERRUPTED = 130


class Size(click.ParamType):
    """WIDTHxHEIGHT in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            width, height = (int(part) for part in value.lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not a size; write it like 1280x720.", param, ctx)
        return width, height


class FrameRate(click.ParamType):
    """Frames per second, 1 to 240; 23.976 and 30000/1001 are understood."""

    name = "N"

    def convert(self, value, param, ctx):
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(str(value)).limit_denominator(1001)
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a frame rate; write a number like 30.", param, ctx)
        if not 1 <= rate <= 240:
            self.fail(f"{value} is out of range; choose 1 to 240 frames per second.", param, ctx)
        return rate


class Commands(click.Group):
    """A group whose errors are one sentence and exit code 2."""

    def main(self, args=None, prog_name=None, **extra):
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 0
        except click.ClickException as error:
            where = f" {error.ctx.info_name}" if getattr(error, "ctx", None) and error.ctx.parent else ""
            click.echo(f"visualizer{where}: {error.format_message()}", err=True)
            code = 2
        except UserError as error:
            click.echo(f"visualizer: {error}", err=True)
            code = 2
        except (KeyboardInterrupt, click.Abort):
            click.echo("visualizer: stopped.", err=True)
            code = INTERRUPTED
        sys.exit(code or 0)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="visualizer")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn any sound into a stream of pictures imagined by a neural network.

    Without a command it opens the window and listens to the microphone, as `visualizer live` does.

    \b
    Try it:
      visualizer demo                        the built-in tune, in a window
      visualizer play song.mp3               a song of yours, in a window
      visualizer render song.mp3 -o clip.mp4 a music video of yours
      visualizer COMMAND --help              what a command does, with examples
    """
    if context.invoked_subcommand is None:
        context.invoke(live)


def rendering_options(command):
    """The options that every rendering command has."""
    for option in reversed(
        [
            click.option(
                "--preset", default="garden", metavar="NAME", help="A shipped preset's name, or a .toml file."
            ),
            click.option(
                "--size", type=Size(), default="1280x720", help="Frame size in pixels, even numbers."
            ),
            click.option("--fps", type=FrameRate(), default="30", help="Frames per second, 1 to 240."),
            click.option(
                "--seed",
                type=click.IntRange(0),
                help="Deal other vectors to the sounds.  [default: the preset's]",
            ),
            click.option(
                "--codebook",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="A codebook made by `visualizer fit`.  [default: the preset's]",
            ),
            click.option(
                "--device",
                type=click.Choice(["auto", "cpu", "cuda"]),
                default="auto",
                help="Where the network runs.",
            ),
            click.option(
                "--allow-flashing", is_flag=True, help="Switch the flash limiter off: mind your audience."
            ),
            click.option("--verbose", is_flag=True, help="Tell where the time went."),
        ]
    ):
        command = option(command)
    return command


def window_options(command):
    """The options that every command with a window has."""
    for option in reversed(
        [
            click.option("--preset", metavar="NAME", help="Begin with a shipped preset, or a .toml file."),
            click.option("--fullscreen", is_flag=True, help="Fill the screen; F does it too."),
            click.option(
                "--monitor", type=click.IntRange(0), metavar="N", help="Open on this display of `devices`."
            ),
            click.option("--size", type=Size(), default="1280x720", help="Size of the window in pixels."),
            click.option(
                "--compute",
                type=click.Choice(["auto", "cpu", "cuda"]),
                default="auto",
                help="Where the network runs.",
            ),
            click.option(
                "--allow-flashing", is_flag=True, help="Switch the flash limiter off: mind your audience."
            ),
            click.option("--verbose", is_flag=True, help="Tell afterwards how fast it was."),
        ]
    ):
        command = option(command)
    return command


@main.command(short_help="Listen and show, in a window.")
@click.option(
    "--device", metavar="NAME|INDEX", help="Listen to this input of `devices`.  [default: the system's]"
)
@window_options
def live(verbose: bool, **options) -> None:
    """Open the window and follow the microphone, or any other input. In the window, H lists the keys.

    \b
    Examples:
      visualizer live --fullscreen
      visualizer live --device monitor --preset reef     what the loudspeakers play (PulseAudio)
    """
    _show("microphone", verbose, **options)


@main.command(short_help="Play a song and follow it, in a window.")
@click.argument("song", type=click.Path(path_type=Path))
@click.option(
    "--device", metavar="NAME|INDEX", help="Play on this output of `devices`.  [default: the system's]"
)
@window_options
def play(song: Path, verbose: bool, **options) -> None:
    """Play SONG through the loudspeakers and follow it in the window. H lists the keys.

    \b
    Examples:
      visualizer play song.mp3
      visualizer play set.flac --preset mandala --fullscreen --monitor 1
    """
    from visualizer.audio.song import Song

    _show(Song(song), verbose, **options)


def _show(source, verbose: bool, **options) -> None:
    from visualizer.live import run_live

    try:
        statistics = run_live(source, **options)
    finally:
        # The interpreter would go through half a million objects before it ends.
        gc.freeze()
    if verbose:
        click.echo(statistics)


@main.command(short_help="List sound devices, processors and displays.")
def devices() -> None:
    """List what --device, --compute and --monitor can name.

    > marks the default input, < the default output.

    \b
    Examples:
      visualizer devices
    """
    from visualizer import devices

    click.echo(devices.listing())


@main.command(short_help="Make a music video from a song.")
@click.argument("song", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.mp4",
    help="The video to write.",
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
@rendering_options
def render(song: Path, output: Path, start: float, duration: float | None, **options) -> None:
    """Make a music video from SONG, any file with sound that FFmpeg can read.

    The video is H.264 and AAC in MP4, with the song as its sound. Ctrl-C stops early and leaves a
    playable video of what is done. The same song, preset and seed give the same pictures.

    \b
    Examples:
      visualizer render song.mp3 -o clip.mp4
      visualizer render song.flac -o reel.mp4 --size 1080x1920 --start 60 --duration 30
      visualizer render talk.mkv -o talk.mp4 --preset creatures --fps 60 --seed 7
    """
    from visualizer.audio.song import Song

    if output.exists() and song.exists() and output.samefile(song):
        raise UserError(f"{output} is the song itself; give the video another name.")
    _render(Song(song, start, duration), output, **options)


@main.command(short_help="Show the built-in tune.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.mp4",
    help="Write a video.  [default: demo.mp4 if there is no display, else none]",
)
@rendering_options
def demo(output: Path | None, **options) -> None:
    """Play the built-in demo tune with the shipped networks: nothing else is needed.

    It opens a window. With -o, --seed or --codebook, or where there is no display, it makes a video.

    \b
    Examples:
      visualizer demo
      visualizer demo --preset creatures -o creatures.mp4
    """
    from visualizer.audio.demo_tune import demo_tune
    from visualizer.audio.song import Recording
    from visualizer.display.window import NoDisplay

    window = {key: options[key] for key in ("verbose", "preset", "size", "allow_flashing")}
    # What only a video can have asks for one.
    asked = output is not None or options["seed"] is not None or options["codebook"] is not None
    output = output or Path("demo.mp4")
    if not asked:
        try:
            return _show("demo", compute=options["device"], **window)
        except NoDisplay as error:
            click.echo(f"{error} Writing {output} instead.", err=True)
    _render(Recording("the demo tune", demo_tune()), output, **options)


def _render(
    song: Song | Recording,
    output: Path,
    preset: str,
    size,
    fps,
    seed,
    codebook,
    device,
    allow_flashing,
    verbose,
) -> None:
    from visualizer import assets, offline
    from visualizer.display.video import check_size
    from visualizer.neural.generator import Generator
    from visualizer.neural.inference import Painter, choose_device

    check_size(*size)
    look, codebook, motion = offline.open_parts(preset, codebook, seed)
    painter = Painter(Generator.load(assets.model("generator.safetensors")), choose_device(device))
    if allow_flashing:
        click.echo(
            f"WARNING: the flash limiter is off; {output} may harm people with photosensitive epilepsy.",
            err=True,
        )
    report = offline.render(song, output, look, motion, codebook, painter, size, fps, not allow_flashing)
    click.echo(f"{output}: {report.frames} frames, {report.seconds:.1f} s, preset {look.title}.")
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


@main.command(short_help="Learn the sounds of your own music.")
@click.argument("songs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SONG...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.safetensors",
    help="The codebook to write.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the k-means.")
def fit(songs: tuple[Path, ...], output: Path, seed: int) -> None:
    """Fit a codebook, the 100 names of sounds, on your own SONGs.

    Every song weighs alike, however long it is. Use the result with `visualizer render --codebook`
    or name it in a preset.

    \b
    Examples:
      visualizer fit *.mp3 -o my.safetensors
      visualizer render new.mp3 -o clip.mp4 --codebook my.safetensors
    """
    from visualizer import weights
    from visualizer.audio import fitting

    weights.check_writable(output)
    codebook, report = fitting.fit(songs, seed)
    codebook.save(output)
    click.echo(f"{output}: {len(codebook)} clusters from {len(songs)} songs, {report}.")


@main.command(short_help="Train a generator on your own pictures.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.safetensors",
    help="The generator to write.",
)
@click.option(
    "--steps", type=click.IntRange(1), help="Stop after so many steps in all.  [default: until Ctrl-C]"
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many minutes.  [default: until Ctrl-C]",
)
@click.option("--batch-size", type=click.IntRange(4), default=16, help="Pictures a step.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of weights and order.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside the output.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to train.")
def train(folders, output: Path, steps, minutes, batch_size, seed, resume, device) -> None:
    """Train a generator on the pictures in FOLDERs; each folder is drawn from equally often.

    A checkpoint is saved every minute and a preview sheet every five, beside the output. Ctrl-C
    saves and stops; --resume goes on.

    \b
    Examples:
      visualizer train photos/ -o mine.safetensors --minutes 480
      visualizer train photos/ -o mine.safetensors --resume
      torchrun --nproc-per-node=2 -m visualizer train photos/ -o mine.safetensors
    """
    from visualizer import assets
    from visualizer.neural.classifier import Classifier
    from visualizer.neural.inference import choose_device
    from visualizer.neural.training import train as run

    classifier = Classifier.load(assets.model("classifier.safetensors"))
    done = run(
        list(folders), output, classifier, steps, minutes, batch_size, seed, choose_device(device), resume
    )
    click.echo(f"{output}: {done}.")


@main.command(short_help="Find new vectors worth seeing.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.safetensors",
    help="The bank to write.",
)
@click.option(
    "--classes",
    metavar="NAMES",
    help="Comma-separated ImageNet classes, each dreamt equally often.  [default: all]",
)
@click.option(
    "--from",
    "photos",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Start from photos of a folder.  [default: from random codes]",
)
@click.option("--count", type=click.IntRange(1), default=200, help="Number of climbs.")
@click.option(
    "--stop-at",
    type=click.FloatRange(0.001, 0.999),
    default=0.3,
    help="Class probability at which a climb ends: low is abstract.",
)
@click.option("--steps", type=click.IntRange(1), default=80, help="Most steps of one climb.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of starts and jitter.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to dream.")
def dream(output: Path, classes, photos, count, stop_at, steps, seed, device) -> None:
    """Find vectors worth seeing by gradient ascent: climb until the classifier sees a class.

    Mud and twins are dropped, so that fewer than --count may be kept. Started from photos without
    --classes, each climbs to what the classifier takes its picture for. Ctrl-C keeps what is done.

    \b
    Examples:
      visualizer dream -o zoo.safetensors --classes "goldfish, red fox, daisy" --count 30
      visualizer dream -o mine.safetensors --from photos/ --count 100 --stop-at 0.6
    """
    from visualizer import assets, weights
    from visualizer.neural import dreaming
    from visualizer.neural.inference import choose_device

    weights.check_writable(output)
    dreamer = dreaming.Dreamer(
        assets.model("generator.safetensors"), assets.model("classifier.safetensors"), choose_device(device)
    )
    wanted = [name.strip() for name in classes.split(",")] if classes else []
    bank = dreamer.dream(wanted, photos, count, stop_at, steps, seed)
    bank.save(output, {"seed": str(seed), "stop_at": str(stop_at)})
    click.echo(f"{output}: {len(bank)} vectors of {len(set(bank.labels))} classes, from {count} climbs.")


@main.command(short_help="Turn photos into vectors of a bank.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.safetensors",
    help="The bank to write.",
)
def encode(photos: tuple[Path, ...], output: Path) -> None:
    """Encode PHOTOs (files or folders) to a bank: what the generator remembers of each is its vector.

    Name the bank in a preset to play with your own pictures.

    \b
    Examples:
      visualizer encode holiday/*.jpg -o holiday.safetensors
      visualizer sheet holiday.safetensors -o holiday.png
    """
    from visualizer import assets, weights
    from visualizer.neural.encoding import encode_photos

    weights.check_writable(output)
    bank, skipped = encode_photos(
        photos, assets.model("generator.safetensors"), assets.model("classifier.safetensors")
    )
    bank.save(output)
    note = f"; {len(skipped)} unreadable files were left out" if skipped else ""
    click.echo(f"{output}: {len(bank)} vectors{note}.")


@main.command(short_help="Draw a contact sheet of a bank or generator.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="SHEET.png",
    help="The picture to write.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to draw.")
def sheet(file: Path, output: Path, device: str) -> None:
    """Draw all vectors of a bank, with their labels, or samples of a generator.

    \b
    Examples:
      visualizer sheet bank.safetensors -o bank.png
      visualizer sheet generator.safetensors -o generator.jpg
    """
    from visualizer.neural import sheet as sheets
    from visualizer.neural.inference import choose_device

    picture = sheets.of_file(file, choose_device(device))
    try:
        picture.save(output)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{output} can't be written ({error}); choose a path ending in .png or .jpg."
        ) from None
    click.echo(f"{output}: {picture.width}x{picture.height}.")


@main.command(short_help="Check a video for dangerous flashes.")
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--fix",
    type=click.Path(path_type=Path),
    metavar="OUT.mp4",
    help="Write a safe copy with its sound, and report on that.",
)
def check(video: Path, as_json: bool, fix: Path | None) -> None:
    """Check any VIDEO against WCAG 2.2, 2.3.1 (general and red flashes); exit code 1 if it fails.

    \b
    Examples:
      visualizer check clip.mp4
      visualizer check clip.mp4 --fix safe.mp4
    """
    import json

    from visualizer.flash_check import check_video, fix_video

    report = fix_video(video, fix) if fix else check_video(video)
    click.echo(json.dumps(report.to_dict(), indent=1) if as_json else report)
    sys.exit(0 if report.safe else 1)
