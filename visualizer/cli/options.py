"""Options and argument types that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import click
from click.shell_completion import CompletionItem

from visualizer.common.errors import UserError

if TYPE_CHECKING:
    from visualizer.live.ways import StageWishes

Command = Callable[..., Any]

# Not click, but whoever opens the file says that it can't be read, and what to do then.
FILE = click.Path(path_type=Path, readable=False)


# A song or a video to read, which may also be a pipe, "-" or an address.
MEDIA = click.Path(path_type=str, readable=False)


class Size(click.ParamType):
    """WIDTHxHEIGHT in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        try:
            width, height = (int(part) for part in value.lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not a size; write it like 1280x720.", param, ctx)
        return width, height


# By how much frame rates of television are rounded where people write them down.
ROUNDING = Fraction(1, 200)


class FrameRate(click.ParamType):
    """Frames per second, 1 to 240; 23.976 and 30000/1001 are understood."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(str(value)).limit_denominator(1001)
            # What is called 29.97 for short is 30000/1001.
            television = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
            if rate.denominator > 1 and abs(rate - television) < ROUNDING:
                rate = television
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a frame rate; write a number like 30.", param, ctx)
        if not 1 <= rate <= 240:
            self.fail(f"{value} is out of range; choose 1 to 240 frames per second.", param, ctx)
        return rate


class Monitor(click.ParamType):
    """The number of a display, from 0, or "all"."""

    name = "N|all"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["all"]:
        if str(value).lower() == "all":
            return "all"
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no display; give one's number in `devices`, or all.", param, ctx)
        return int(value)


class Channels(click.ParamType):
    """Numbers of channels, counted from 1, with commas in between."""

    name = "N,M"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            numbers = (0,)
        if min(numbers) < 1:
            self.fail(f"{value!r} are no channels; write their numbers, from 1 on, like 5,6.", param, ctx)
        return numbers


class Amount(click.FloatRange):
    """A number within a range, which nan is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number; choose {self.min:g} to {self.max:g}.", param, ctx)
        return number


class PresetName(click.ParamType):
    """A shipped preset's name, which shells can complete, or a file."""

    name = "NAME"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from visualizer.common import assets

        names = [name for name in assets.preset_names() if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def output(metavar: str, what: str, required: bool = True) -> Command:
    """-o: where the result goes."""
    return click.option("-o", "--output", type=FILE, required=required, metavar=metavar, help=what)


# Where a command has no sound device, --device says the same.
COMPUTE = {True: ("--compute", "--device"), False: ("--compute",)}


def compute(soundless: bool = True) -> Command:
    """Which processor the networks run on."""
    choice = click.Choice(["auto", "cpu", "cuda"])
    return click.option(
        *COMPUTE[soundless], "compute", type=choice, default="auto", help="Where the network runs."
    )


def seed(what: str) -> Command:
    """--seed: 0 unless said."""
    return click.option("--seed", type=click.IntRange(0), default=0, help=what)


channels = click.option(
    "--channels",
    type=Channels(),
    default=(),
    help="Hear only these, e.g. 5,6 of a large interface.  [default: all]",
    show_default=False,
)

offset = click.option(
    "--offset",
    type=click.FloatRange(-100, 3000),
    metavar="MS",
    help="The sound is heard later than its device says, as through Bluetooth: so many milliseconds; "
    "remembered for the device.",
)

sensitivity = click.option(
    "--sensitivity",
    type=Amount(0.1, 4),
    metavar="X",
    help="How strongly it answers to the sound, 0.1 to 4, in all presets.  [default: the preset's]",
)

generator = click.option(
    "--generator",
    type=FILE,
    metavar="FILE",
    help="A generator of your own, made by `train` or `import`.  [default: the shipped one]",
)

quality = click.option(
    "--quality",
    type=click.Choice(["auto", "light", "grand"]),
    default="auto",
    help="Which of the shipped generators draws: light is quick everywhere, grand draws people better; auto "
    "takes grand where this machine is fast enough.",
)

bank = click.option(
    "--bank",
    type=FILE,
    metavar="FILE",
    help="A bank made by `dream` or `encode`, in all presets.  [default: the preset's]",
)

titles = click.option("--titles", is_flag=True, help="Write each song's title and artist, by its tags.")

logo = click.option("--logo", type=FILE, metavar="FILE.png", help="Show this logo.  [default: the preset's]")

figure = click.option(
    "--figure",
    type=FILE,
    metavar="FILE",
    help="A dancer of your own, made by `train --poses`.  [default: the shipped one]",
)

flashing = click.option(
    "--allow-flashing", is_flag=True, help="Switch the flash limiter off: mind your audience."
)


def check_quality(quality: str, generator: Path | None) -> None:
    """Raises UserError if a quality is asked for together with a generator of one's own."""
    if generator is not None and quality != "auto":
        raise UserError(f"--quality chooses between the shipped generators; leave it out, or {generator}.")


def warn_of_flashing(what: str) -> None:
    """To be said whenever the limiter is off; what: a video's name, or "the window"."""
    click.echo(
        f"WARNING: the flash limiter is off; {what} may harm people with photosensitive epilepsy.", err=True
    )


def together(*options: Command) -> Command:
    """Several options as one decorator, in the order in which the help lists them."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


class RenderingOptions(TypedDict):
    """What the options of `rendering` say."""

    preset: str
    size: tuple[tuple[int, int], ...]
    fps: Fraction
    seed: int | None
    codebook: Path | None
    generator: Path | None
    quality: str
    bank: Path | None
    figure: Path | None
    compute: str
    allow_flashing: bool
    sensitivity: float | None
    titles: bool
    logo: Path | None
    verbose: bool


rendering = together(
    click.option(
        "--preset", type=PresetName(), default="garden", help="A shipped preset's name, or a .toml file."
    ),
    click.option(
        "--size",
        type=Size(),
        multiple=True,
        default=["1280x720"],
        help="Frame size in pixels, even numbers; may be given several times.",
    ),
    click.option("--fps", type=FrameRate(), default="30", help="Frames per second, 1 to 240."),
    click.option(
        "--seed", type=click.IntRange(0), help="Deal other vectors to the sounds.  [default: the preset's]"
    ),
    click.option(
        "--codebook",
        type=FILE,
        metavar="FILE",
        help="A codebook made by `visualizer fit`.  [default: the preset's]",
    ),
    generator,
    quality,
    bank,
    figure,
    compute(),
    sensitivity,
    titles,
    logo,
    flashing,
    click.option("--verbose", is_flag=True, help="Tell where the time went."),
)


class WindowOptions(TypedDict, total=False):
    """What --device and the options of `window` say, save --verbose."""

    preset: str | None
    fullscreen: bool
    monitor: int | Literal["all"] | None
    size: tuple[int, int]
    generator: Path | None
    quality: str
    bank: Path | None
    figure: Path | None
    compute: str
    allow_flashing: bool
    device: str | None
    stage: StageWishes
    channels: tuple[int, ...]
    offset: float | None
    sensitivity: float | None
    titles: bool
    logo: Path | None


window = together(
    click.option("--preset", type=PresetName(), help="Begin with a shipped preset, or a .toml file."),
    click.option("--fullscreen", is_flag=True, help="Fill the screen; F does it too."),
    click.option(
        "--monitor",
        type=Monitor(),
        help="Open on this display of `devices`; all: fill every one with the picture.",
    ),
    click.option("--size", type=Size(), default="1280x720", help="Size of the window in pixels."),
    generator,
    quality,
    bank,
    figure,
    compute(soundless=False),
    flashing,
    offset,
    sensitivity,
    titles,
    logo,
    click.option("--verbose", is_flag=True, help="Tell afterwards how fast it was."),
)
