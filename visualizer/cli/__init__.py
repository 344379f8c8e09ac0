"""The command line: one short function per command, that parses, calls and prints.

Heavy modules are imported inside the commands, after all that can be found wrong without them: `--help` and
most errors come at once.
"""

from __future__ import annotations

import logging
import platform
import sys
from pathlib import Path

import click

from visualizer import __version__
from visualizer.cli import gallery, importing, learning, measuring, options, posing, showing, video
from visualizer.cli.group import Commands
from visualizer.common.files import unwritable


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="visualizer")
@click.option(
    "--log",
    "log_file",
    type=options.FILE,
    metavar="FILE",
    help="Write down here what happens; - is the screen.",
)
@click.pass_context
def main(context: click.Context, log_file: Path | None) -> None:
    """Turn any sound into a stream of pictures imagined by a neural network.

    Without a command it opens the window and listens to the microphone, as `visualizer live` does; where
    nothing is heard, it plays the built-in tune.

    \b
    Try it:
      visualizer demo                        the built-in tune, in a window
      visualizer play song.mp3               a song of yours, in a window
      visualizer render song.mp3 -o clip.mp4 a music video of yours
      visualizer COMMAND --help              what a command does, with examples
    """
    if log_file is not None:
        start_log(log_file)
    if context.invoked_subcommand is None:
        context.invoke(showing.live, tune=True)


def start_log(path: Path) -> None:
    """Write the program's log to a file. Raises UserError if it can't be written."""
    handler: logging.Handler = logging.StreamHandler()
    if path != Path("-"):
        try:
            handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise unwritable(path, error) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("visualizer")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.info("visualizer %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    log.info("arguments: %s", " ".join(sys.argv[1:]))


main.section("Show", showing.live, showing.play, showing.demo, showing.devices)
main.section("Make videos", video.render, video.check)
main.section(
    "Learn from your own",
    learning.fit,
    learning.encode,
    learning.dream,
    learning.train,
    posing.poses,
    learning.sheet,
    importing.import_stylegan,
)
main.section("Measure and set up", measuring.bench, gallery.service, measuring.completion)
