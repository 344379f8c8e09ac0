"""The command that makes a show start with the computer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from visualizer.cli import showing
from visualizer.common import settings
from visualizer.common.errors import UserError
from visualizer.common.files import write_whole

UNIT = """\
[Unit]
Description=Pictures imagined from sound
PartOf=graphical-session.target
After=graphical-session.target pipewire-pulse.service pulseaudio.service
StartLimitIntervalSec=0

[Service]
WorkingDirectory={folder}
ExecStart={command}
Restart=always
RestartSec=3
TimeoutStopSec=15

[Install]
WantedBy=graphical-session.target
"""


def quoted(word: str) -> str:
    """A word for ExecStart, as systemd.service(5) and systemd.syntax(7) read it."""
    for letter, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("%", "%%"), ("$", "$$")):
        word = word.replace(letter, written)
    return f'"{word}"'


def unit(arguments: tuple[str, ...]) -> str:
    """A systemd unit that plays `live` with these arguments, here and with this Python."""
    words = [sys.executable, "-P", "-m", "visualizer", "--log", "-", "live", *arguments]
    command = " ".join(map(quoted, words))
    return UNIT.format(folder=os.getcwd().replace("%", "%%"), command=command)


def place() -> Path:
    """Where this user's unit belongs."""
    return settings.folder().parent / "systemd" / "user" / "visualizer.service"


@click.command(short_help="Start a show with the session, for a gallery.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- LIVE_OPTIONS]")
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and write nothing.")
@click.pass_context
def service(context: click.Context, arguments: tuple[str, ...], only_print: bool) -> None:
    """Write a systemd unit by which `visualizer live` starts with this user's desktop session.

    It starts again whenever it ends, three seconds later, and logs to the journal. What comes after -- is
    for `live`; files are looked for where you are now.

    \b
    Examples:
      visualizer service -- --fullscreen --preset horizon
      visualizer service -- --fullscreen --set /home/show/friday.toml --monitor 1
      visualizer service --print
    """
    from visualizer.control import preset as presets

    # What is wrong with them is found now, and not every three seconds.
    with showing.live.make_context("live", list(arguments), parent=context.parent) as wishes:
        if wishes.params["preset"] is not None:
            presets.load(presets.find(wishes.params["preset"]))
    if only_print:
        click.echo(unit(arguments), nl=False)
        return
    if sys.platform != "linux":
        raise UserError("services are written for systemd, which only Linux has; --print shows what it says.")
    path = place()
    write_whole(path, unit(arguments).encode("utf-8", "surrogateescape"), folders=True)
    click.echo(
        f"{path}: written. Start it, now and with every session:\n"
        f"  systemctl --user daemon-reload && systemctl --user enable --now visualizer\n"
        f"Stop it, and see what happened:\n"
        f"  systemctl --user disable --now visualizer\n"
        f"  journalctl --user -u visualizer"
    )
