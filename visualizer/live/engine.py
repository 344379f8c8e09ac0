"""The engine: the main thread's loop, which composes a frame, draws it and swaps it, again and again."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from visualizer.audio.conductor import Conductor
from visualizer.common.cores import handing_over
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk, Facts
from visualizer.control.service import Service
from visualizer.live.backstage import Backstage
from visualizer.live.controls import Controls
from visualizer.live.guide import Guide
from visualizer.live.loading import Parts, Wishes, import_ahead, load
from visualizer.live.statistics import Statistics
from visualizer.live.surface import drawing, open_window
from visualizer.live.ways import NOTHING, StageWishes, open_ways, show_address
from visualizer.output.outlet import Outlets
from visualizer.output.window import Window

if TYPE_CHECKING:
    import torch

    from visualizer.audio.ears import Ears
    from visualizer.live.hearing import Hearing, Source
    from visualizer.live.outputs import Outputs
    from visualizer.live.programme import Programme
    from visualizer.live.titling import Titling
    from visualizer.neural.stream import Picture

# Python hands over between its threads this often: so rarely that the audio callback is mostly done by then,
# and so often that it never waits for long.
SWITCH_INTERVAL_S = 0.0002
# A window that is being dragged to a size gets new frames of its shape when it rests.
RESIZE_S = 0.2
# How long it sleeps between looking for events.
LOADING_S = 0.1
MINIMISED_S = 0.1
READOUT_S = 0.25
REPORT_S = 0.1
# How long frames may fail on a graphics card until the show ends.
CARD_S = 10.0
log = logging.getLogger("visualizer")


def run_live(
    source: Source = "microphone",
    preset: str | None = None,
    device: str | int | None = None,
    compute: str = "auto",
    fullscreen: bool = False,
    monitor: int | Literal["all"] | None = None,
    size: tuple[int, int] = (1280, 720),
    allow_flashing: bool = False,
    seconds: float | None = None,
    statistics: Statistics | None = None,
    generator: Path | None = None,
    stage: StageWishes | None = None,
    channels: tuple[int, ...] = (),
    bank: Path | None = None,
    offset: float | None = None,
    sensitivity: float | None = None,
    quality: str = "auto",
    titles: bool = False,
    logo: Path | None = None,
    figure: Path | None = None,
    tune: bool = False,
) -> Statistics:
    """Open the window and play until somebody quits; returns what was measured.

    source: "microphone", or a song to play and follow; "demo" is the built-in tune. preset: a name or a
    file; None begins with the first. device: the sound device's name or number. compute: where the network
    runs, "auto", "cpu" or "cuda". monitor: the number of a display, or "all" for the
    picture on each. size: of the window in pixels.
    allow_flashing: switch the flash limiter off. seconds: stop after so long. statistics: to write to.
    generator: a file; None is the shipped one. stage: by what else than keys it is played. channels:
    which of a microphone's to hear; none are all. bank: a file that plays instead of the presets' own.
    offset: milliseconds by which sound is heard later than its device says; None is what was given last.
    sensitivity: 0.1 to 4, to the sound, in all presets; None is their own. quality: of the shipped
    generators, "auto", "light" or "grand". titles: whether songs are told; logo: a PNG file, in all presets;
    None is their own. figure: a file; None is the shipped one. tune: play the built-in tune if nothing is
    heard at the start.

    Raises NoDisplay if no window can be opened, and UserError for anything else that was asked for and isn't
    there.
    """
    begun = time.perf_counter()
    stage = stage or NOTHING
    if monitor == "all":
        stage, fullscreen, monitor = replace(stage, everywhere=True), True, None
    # Threads of torch that wait for each other without sleeping would take the callback's time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    wishes = Wishes(
        source,
        preset,
        device,
        compute,
        allow_flashing,
        generator,
        stage,
        channels,
        bank,
        offset,
        sensitivity,
        quality,
        titles,
        logo,
        figure,
        tune,
    )
    try:
        with handing_over(SWITCH_INTERVAL_S), open_window(wishes.stage, size, fullscreen, monitor) as window:
            return Engine(window, wishes, begun, statistics).run(seconds)
    finally:
        gc.enable()
        gc.unfreeze()


class Engine:
    """The main thread's side: it waits for nothing but the next frame's time."""

    def __init__(self, window: Window, wishes: Wishes, begun: float, statistics: Statistics | None = None):
        """begun: when the user started it, seconds of time.perf_counter."""
        mark = "flashes are NOT limited" if wishes.allow_flashing else ""
        self.hud, self._upscaler = drawing(wishes.stage, mark)
        self.statistics = statistics or Statistics()
        self._window, self._wishes, self._begun = window, wishes, begun
        self._backstage = Backstage(self._trouble, self._warn)
        self.outlets = Outlets(self._backstage.warn)
        self.desk, self.conductor = Desk(), Conductor()
        self._controls = Controls(window, self.hud, self.desk, self.conductor, self._backstage.do)
        self._guide = Guide(wishes.tune)
        self._outputs: Outputs | None = None
        self._parts: Parts | None = None
        self._ways: list[Service] = []
        self._follow_phones: Callable[[], None] = lambda: None
        self.programme: Programme | None = None
        self._titling: Titling | None = None
        self._open = ExitStack()
        self._resized = self._read_out = self._reported = begun
        self._shape = window.size
        self._shown: Picture | None = None
        self._composed: torch.Tensor | None = None
        self._lead = 0.008
        self._took: deque[float] = deque([self._lead], maxlen=20)
        self._ending = self._saving = False
        self._card_failed: float | None = None  # since when
        self._open.callback(self._upscaler.release)
        self._open.callback(self.outlets.close)

    # --- the loop ---------------------------------------------------------------------------------

    def run(self, seconds: float | None) -> Statistics:
        """Play until somebody quits, or for so many seconds."""
        self.hud.wait("loading")
        end = None if seconds is None else self._begun + seconds
        with self._open, self._backstage:
            imports = import_ahead(lambda words: self._backstage.tell(lambda: self.hud.wait(words)))
            self._backstage.do(imports.join)
            self._backstage.do(self._load)
            self._window.find_pace(lambda: self._upscaler.clear(*self._window.size))
            last = time.perf_counter()
            while not self._window.closed and (end is None or last < end):
                last = self._frame(last)
            wish = time.perf_counter()
            self.statistics.ways = {way.name: (way.spent, way.errors) for way in self._ways}
            self.statistics.ways |= {to.name: (to.spent, to.errors) for to in self.outlets}
        self.statistics.shut_down = time.perf_counter() - wish
        return self.statistics

    def _frame(self, last: float) -> float:
        """Show one frame; last: when the last one was shown. Returns when this one was."""
        window, period = self._window, self._window.period
        # While loading, the processor has better things to do than to draw.
        self._controls.take(window.events(wait=LOADING_S if self._parts is None else 0.0))
        self._backstage.deliver()
        if window.minimised and not self.outlets:
            self._controls.take(window.events(wait=MINIMISED_S))
            # A song's end needs no fading out where nobody sees it.
            window.closed |= self._parts is not None and self._parts.hearing.follow()
            return time.perf_counter()
        self._follow_size(last)
        due = window.due()
        parts = self._parts
        if parts is not None:
            parts.stream.tick(due, period, self._lead)
            parts.stream.wait(due - self._lead)
        begun = time.perf_counter()
        dt = begun - last if parts is None else min(0.25, max(1e-3, due - last))
        drawn = self._draw(parts, due, dt) if parts is not None else None
        if self._shown is None and drawn is None:
            self._upscaler.clear(*window.size)
        elif drawn is None:
            self._upscaler.draw(*window.size)
        if self._controls.still_wanted and drawn is not None and not self._saving:
            self._save_still()
        self.hud.draw(*window.size, dt)
        window.finish()
        took = time.perf_counter() - begun
        self._took.append(took)
        self._lead = 0.001 + sorted(self._took)[-3:][0]
        now = window.swap()
        if parts is not None and drawn is not None:
            if self._composed is not None:
                self.outlets.show(self._composed, now)
            self._count(parts, drawn, now, last, took)
        return now

    def _draw(self, parts: Parts, due: float, dt: float) -> Picture | None:
        """Draw the picture for a time; the newest that has a part in it, None if there is none yet."""
        if self.programme is not None:
            self.programme.step(due, dt)
        newest, pose = parts.stream.newest, parts.physics.pose
        try:
            picture = parts.stream.at(due)
            if newest is None or picture is None:
                return None
            self._composed = frame = parts.stage(picture, pose.sound, dt)
            self._choose_way(frame, parts.stage.aspect)
            self._upscaler.upload(frame)
        except RuntimeError:
            if newest is None or not newest.pixels.is_cuda or not self._card_may_be_lost(parts):
                raise
            return None
        self._card_failed = None
        self._upscaler.draw(*self._window.size)
        self._follow_sound(parts, due)
        return newest

    def _card_may_be_lost(self, parts: Parts) -> bool:
        """A frame failed on the graphics card: whether to wait until the painter goes on elsewhere."""
        now = time.perf_counter()
        if self._card_failed is None:
            self._card_failed = now
            log.exception("a frame on the graphics card")
        parts.stage.reshape(parts.stage.aspect)
        return now - self._card_failed < CARD_S

    def _count(self, parts: Parts, picture: Picture, now: float, last: float, took: float) -> None:
        statistics = self.statistics
        if self._shown is None:
            assert self.programme is not None
            statistics.first_picture = now - self._begun
            self._backstage.while_idle(self.programme.idle_work())
        else:
            statistics.swapped(now - last)
        statistics.refresh = self._window.period
        statistics.composing.add(took)
        statistics.dropped = parts.ring.dropped
        if picture is not self._shown:
            statistics.paintings.add(picture.took)
            if parts.choice is not None and parts.choice.watch(picture.took):
                self._warn("the machine has become slower than the screen: the light generator goes on.")
            statistics.showed(now, picture.pose.heard(picture.time), parts.first.codebook.settings)
            self._shown = picture

    # --- beginning and end ------------------------------------------------------------------------

    def _load(self) -> None:
        """Backstage."""
        ways = open_ways(self._wishes.stage, self.desk, self.conductor)
        self._backstage.tell(lambda: self._ways.extend(ways))
        tap = self.outlets.hear
        parts = load(self._wishes, self._window.aspect, self.conductor, self._backstage, tap)
        self._backstage.tell(lambda: self._begin(parts))

    def _begin(self, parts: Parts) -> None:
        """Everything is there."""
        from visualizer.live.cloning import clones
        from visualizer.live.inputs import Inputs
        from visualizer.live.outputs import Outputs
        from visualizer.live.programme import Programme
        from visualizer.live.titling import Titling

        self._parts = parts
        self._open.enter_context(parts.physics)
        self._open.enter_context(parts.stream)
        self._open.callback(self._close_hearing, parts.hearing)
        self._follow_phones = show_address(self._ways, self.hud)
        for way in self._ways:
            self._open.callback(way.stop)
            way.start()
        parts.physics.witness = self.desk.hear
        parts.hearing.begin(parts.first.codebook)
        self.programme = Programme(
            parts, self._wishes.stage.set, self.hud, self.desk, self._backstage, self._window.set_title
        )
        inputs = Inputs(parts.hearing, self.desk, self._backstage)
        self._titling = Titling(parts.stage, self._backstage)
        limited = not self._wishes.allow_flashing
        self._outputs = Outputs(self.outlets, self._wishes.stage, lambda: self._window.size, limited)
        self._outputs.begin()
        for clone in clones(self._wishes.stage, self._window):
            self.outlets.add(clone)
        self._controls.begin(parts, self.programme, inputs, self._titling, self._outputs)

    def _close_hearing(self, hearing: Hearing) -> None:
        if hearing.sound is not None:
            self.statistics.callback_share = hearing.sound.callback_share()
        hearing.close()

    def _trouble(self, error: UserError) -> None:
        """Backstage couldn't do something: fatal before everything is loaded, a message after it."""
        if self._parts is None:
            raise error
        self._warn(str(error))

    def _warn(self, sentence: str) -> None:
        log.warning(sentence)
        self.hud.say(sentence, warning=True)

    # --- what goes on around the picture ----------------------------------------------------------

    def _follow_size(self, now: float) -> None:
        """Compose for the window's shape, when it has rested."""
        if self._window.size != self._shape:
            self._shape, self._resized = self._window.size, now
        if self._parts is None or now - self._resized < RESIZE_S:
            return
        if self._parts.stage.aspect != self._window.aspect:
            self._parts.stage.reshape(self._window.aspect)

    def _choose_way(self, frame: torch.Tensor, aspect: float) -> None:
        """Where drawing is left to the processor: how, when frames have come to be of the window's shape."""
        window, upscaler = self._window, self._upscaler
        if window.software and upscaler.chosen_for != window.size and aspect == window.aspect:
            upscaler.choose(frame, *window.size)

    def _follow_sound(self, parts: Parts, now: float) -> None:
        word = parts.hearing.news() or self._guide.word(parts.hearing, now)
        if word is not None:
            log.info(word[0])
            self.hud.say(*word, meter=True)
        self._ending = self._ending or parts.hearing.follow()
        if self._ending:
            parts.stage.blackout.wanted = True
        if self._ending and parts.stage.blackout.level >= 1:
            self._window.closed = True
        sound = parts.hearing.sound
        if sound is not None:
            self.hud.level = sound.level
        if now - self._reported >= REPORT_S:
            self._reported = now
            self._report(sound)
            self._follow_phones()
            if self._titling is not None:
                self._titling.follow(parts.hearing)
            if self._outputs is not None:
                self.hud.on_air = self._outputs.follow()
        if self.programme is not None and self.hud.shows("info") and now - self._read_out >= READOUT_S:
            from visualizer.live import readout

            self._read_out = now
            self.hud.info = readout.rows(
                self.programme.look.preset,
                self.statistics,
                parts,
                self._window,
                self._upscaler,
                not self._wishes.allow_flashing,
                self.conductor.newest,
            )

    def _report(self, sound: Ears | None) -> None:
        """Let the ways know how it goes."""
        title = self.programme.look.preset.title if self.programme is not None else ""
        level, listening = (sound.level, sound.status) if sound is not None else (-120.0, "")
        self.desk.facts = Facts(self.statistics.fps, level, listening, title)
        self.desk.stills = [thumbnail.still for thumbnail in self.hud.thumbnails]

    def _save_still(self) -> None:
        from visualizer.output.stills import save_still

        self._controls.still_wanted, self._saving = False, True
        if self._wishes.stage.headless:
            assert self._composed is not None
            pixels = self._composed.numpy(force=True)
        else:
            from visualizer.output.graphics import read_screen

            pixels = read_screen(*self._window.size).copy()

        def save() -> None:
            try:
                path = save_still(pixels, Path())
                self._backstage.tell(lambda: self.hud.say(f"saved {path.name}"))
            finally:
                self._backstage.tell(lambda: setattr(self, "_saving", False))

        self._backstage.do(save)
