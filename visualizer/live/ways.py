"""The ways to the controls that a show has besides its keys; each is opened only if it was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from visualizer.audio.conductor import Conductor
from visualizer.common.addresses import Address
from visualizer.control.desk import Desk
from visualizer.control.service import Service
from visualizer.control.set_list import ALL, Set

if TYPE_CHECKING:
    from visualizer.output.hud import Hud
    from visualizer.output.senders import Kind
    from visualizer.output.targets import Target


@dataclass(frozen=True)
class StageWishes:
    """What the user asked for.

    set: which presets, and whether they change by themselves. osc: where to listen; osc_to: who else is told.
    link: whether to join Ableton Link. midi: whether controllers count; midi_map: the user's own.
    remote: where the page for phones is; remote_fixed: at that port and no other. record: a file; stream:
    where to; fps: of both, None is what the encoder can do. headless: without a window. send:
    to which other programs. everywhere: on all other screens as well; rotation: of the picture there and in
    the window, degrees clockwise, None is what was kept for each screen.
    """

    set: Set = ALL
    osc: Address | None = None
    link: bool = False
    midi: bool = False
    midi_map: Path | None = None
    remote: Address | None = None
    remote_fixed: bool = False
    osc_to: tuple[Address, ...] = ()
    record: Path | None = None
    stream: Target | None = None
    fps: Fraction | None = None
    headless: bool = False
    send: tuple[Kind, ...] = ()
    everywhere: bool = False
    rotation: int | None = None

    @property
    def obeys(self) -> bool:
        """Whether there is any way to its controls besides keys."""
        return self.midi or self.osc is not None or self.remote is not None


NOTHING = StageWishes()
# Nobody may come, and a picture is to be seen.
CODE_S = 60.0


def open_ways(wishes: StageWishes, desk: Desk, conductor: Conductor) -> list[Service]:
    """What was asked for, ready to start. Raises UserError if that can't be had."""
    ways: list[Service] = []
    if wishes.link:
        from visualizer.control.link import Link

        ways.append(Link(desk, conductor))
    if wishes.midi:
        from visualizer.control.midi.service import Midi

        ways.append(Midi(desk, conductor, wishes.midi_map))
    if wishes.osc is not None:
        from visualizer.control.osc import Osc

        ways.append(Osc(desk, wishes.osc, wishes.osc_to))
    if wishes.remote is not None:
        from visualizer.control.page.server import Page

        ways.append(Page(desk, wishes.remote, wishes.remote_fixed))
    return ways


def show_address(ways: list[Service], hud: Hud) -> Callable[[], None]:
    """Show the page's address until the first phone is there; gives what is to be called for that."""
    page = next((way for way in ways if way.name == "page"), None)
    if page is None:
        return lambda: None
    from visualizer.control.page.server import Page

    assert isinstance(page, Page)
    hud.code = page.code, page.url
    hud.toggle("code")
    end = time.monotonic() + CODE_S
    waiting = [page]

    def follow() -> None:
        if waiting and (page.phones or time.monotonic() > end):
            waiting.clear()
            if hud.shows("code"):
                hud.toggle("code")

    return follow
