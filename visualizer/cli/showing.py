"""Commands that show: in a window, from a microphone, a song or the built-in tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from visualizer.cli import options
from visualizer.cli.stage import stage
from visualizer.cli.video import make_video
from visualizer.common.files import check_writable

if TYPE_CHECKING:
    from visualizer.live.hearing import Source


@click.command(short_help="Listen and show, in a window.")
@click.option(
    "--device", metavar="NAME|INDEX", help="Listen to this input of `devices`.  [default: the system's]"
)
@options.channels
@options.window
@stage
def live(verbose: bool, **wishes: Unpack[options.WindowOptions]) -> None:
    """Open the window and follow the microphone, or any other input. In the window, H lists the keys.

    \b
    Examples:
      visualizer live --fullscreen
      visualizer live --device monitor --preset reef     what the loudspeakers play (PulseAudio)
      visualizer live --device Scarlett --channels 5,6   two inputs of many
    """
    _show("microphone", verbose, **wishes)


@click.command(short_help="Play a song and follow it, in a window.")
@click.argument("song", type=options.MEDIA)
@click.option(
    "--device", metavar="NAME|INDEX", help="Play on this output of `devices`.  [default: the system's]"
)
@options.window
@stage
def play(song: str, verbose: bool, **wishes: Unpack[options.WindowOptions]) -> None:
    """Play SONG through the loudspeakers and follow it in the window. H lists the keys.

    \b
    Examples:
      visualizer play song.mp3
      visualizer play set.flac --preset mandala --fullscreen --monitor 1
    """
    from visualizer.audio.song import Song

    _show(Song(song), verbose, **wishes)


def _show(source: Source, verbose: bool, **wishes: Unpack[options.WindowOptions]) -> None:
    from visualizer.live import run_live

    options.check_quality(wishes["quality"], wishes["generator"])
    if wishes.get("allow_flashing"):
        options.warn_of_flashing("the window")
    statistics = run_live(source, **wishes)
    if verbose:
        click.echo(statistics)


@click.command(short_help="List sound devices, processors and displays.")
def devices() -> None:
    """List what --device, --compute and --monitor can name.

    > marks the default input, < the default output.

    \b
    Examples:
      visualizer devices
    """
    from visualizer.cli.listing import what_there_is

    click.echo(what_there_is())


@click.command(short_help="Show the built-in tune.")
@options.output(
    "FILE.mp4", "Write a video.  [default: demo.mp4 if there is no display, else none]", required=False
)
@options.rendering
def demo(output: Path | None, **wishes: Unpack[options.RenderingOptions]) -> None:
    """Play the built-in demo tune with the shipped networks: nothing else is needed.

    It opens a window. With -o, --seed or --codebook, or where there is no display, it makes a video.

    \b
    Examples:
      visualizer demo
      visualizer demo --preset creatures -o creatures.mp4
    """
    if output is not None:
        check_writable(output)
    from visualizer.audio.demo_process import begin_demo_tune

    tune = begin_demo_tune()  # before all that takes a while to load

    from visualizer.audio.song import Recording
    from visualizer.output.display import NoDisplay

    window: options.WindowOptions = {
        "preset": wishes["preset"],
        "size": wishes["size"][0],
        "generator": wishes["generator"],
        "quality": wishes["quality"],
        "bank": wishes["bank"],
        "figure": wishes["figure"],
        "compute": wishes["compute"],
        "allow_flashing": wishes["allow_flashing"],
        "sensitivity": wishes["sensitivity"],
        "titles": wishes["titles"],
        "logo": wishes["logo"],
    }
    # What only a video can have asks for one.
    asked = output is not None or wishes["seed"] is not None or wishes["codebook"] is not None
    output = output or Path("demo.mp4")
    if not asked:
        try:
            return _show("demo", wishes["verbose"], **window)
        except NoDisplay as error:
            click.echo(f"{error} Writing {output} instead.", err=True)
            check_writable(output)
    make_video(Recording("the demo tune", tune), output, **wishes)
