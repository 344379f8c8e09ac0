"""The options by which a show obeys more than its keys."""

from __future__ import annotations

import functools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visualizer.cli.options import FILE, Command, FrameRate, together

if TYPE_CHECKING:
    from visualizer.output.senders import Kind

PAGE_PORT = 8080

OPTIONS = together(
    click.option("--set", "set_list", type=FILE, metavar="SET.toml", help="Play this set list of presets."),
    click.option(
        "--cycle",
        is_flag=False,
        flag_value="45 seconds",
        metavar="[LENGTH]",
        help="Change presets by themselves, every 45 seconds, 16 bars or 2 sections.",
    ),
    click.option(
        "--remote",
        is_flag=False,
        flag_value="",
        metavar="[ADDRESS][:PORT]",
        help="Serve a page for phones; its QR code is in the window.",
    ),
    click.option("--link", is_flag=True, help="Join Ableton Link on this network: it leads the beat."),
    click.option(
        "--midi",
        type=FILE,
        is_flag=False,
        flag_value="",
        metavar="[MAP.toml]",
        help="Obey MIDI controllers, by a map of yours if you give one.",
    ),
    click.option("--osc", metavar="[ADDRESS:]PORT", help="Obey other programs by OSC, and answer them."),
    click.option("--osc-to", multiple=True, metavar="ADDRESS:PORT", help="Tell this program all, by OSC."),
    click.option(
        "--record",
        type=FILE,
        metavar="FILE.mp4",
        help="Record what is shown and heard, to .mp4, .mov or .mkv; O ends it and begins the next.",
    ),
    click.option(
        "--stream",
        metavar="ADDRESS",
        help="Stream it to rtmp://…, srt://…, udp://… or a file.m3u8; W ends it and begins again.",
    ),
    click.option(
        "--headless", is_flag=True, help="Open no window: the show is only recorded, streamed or sent."
    ),
    click.option(
        "--fps",
        type=FrameRate(),
        help="Frames a second of what is recorded and streamed.  [default: 60 where that is easy, else 30]",
        show_default=False,
    ),
    click.option(
        "--send",
        type=click.Choice(["camera", "ndi", "spout", "syphon"]),
        multiple=True,
        help="Send what is shown to other programs; may be given several times.",
    ),
    click.option(
        "--rotate",
        type=click.Choice(["0", "90", "180", "270"]),
        help="Turn the picture clockwise, as for an upright screen.  [default: as Y left it on that screen]",
        show_default=False,
    ),
)


def stage(command: Command) -> Command:
    """Options for a command that gets them as one, `stage`."""

    @functools.wraps(command)
    def with_stage(
        *arguments: Any,
        set_list: Path | None,
        cycle: str | None,
        osc: str | None,
        osc_to: tuple[str, ...],
        remote: str | None,
        midi: Path | None,
        link: bool,
        record: Path | None,
        stream: str | None,
        fps: Fraction | None,
        headless: bool,
        send: tuple[Kind, ...],
        rotate: str | None,
        **wishes: Any,
    ) -> Any:
        from visualizer.common.addresses import LOOPBACK, parse_address
        from visualizer.common.errors import UserError
        from visualizer.control.set_list import ALL, load, parse_length
        from visualizer.live.ways import StageWishes
        from visualizer.output import targets

        if headless and record is None and stream is None and not send:
            raise UserError(
                "--headless opens no window, so nothing would come of it; add --record FILE.mp4 "
                "or --stream ADDRESS."
            )
        if record is not None:
            targets.recording(record)
        if osc_to and osc is None:
            raise UserError("--osc-to tells others what --osc PORT has to tell; give that, too.")
        wanted = load(set_list) if set_list is not None else ALL
        if cycle is not None:
            length, unit = parse_length(cycle, "--cycle")
            wanted = replace(wanted, length=length, unit=unit, on=True)
        asked = StageWishes(
            set=wanted,
            osc=parse_address(osc, "--osc") if osc is not None else None,
            osc_to=tuple(parse_address(text, "--osc-to") for text in osc_to),
            link=link,
            midi=midi is not None,
            midi_map=midi if midi is not None and midi.name else None,
            remote=parse_address(remote or LOOPBACK, "--remote", PAGE_PORT) if remote is not None else None,
            remote_fixed=bool(remote),
            record=record,
            stream=targets.stream(stream) if stream is not None else None,
            fps=fps,
            headless=headless,
            send=tuple(dict.fromkeys(send)),
            rotation=None if rotate is None else int(rotate),
        )
        return command(*arguments, stage=asked, **wishes)

    return OPTIONS(with_stage)
