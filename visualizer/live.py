"""The live engine: sound comes in, the particle moves, and the window shows it, each on its own thread.

The audio callback hears and pushes events into a ring; the physics thread moves the particle; the painter
thread runs the generator; this, the main thread, composes frames and talks with the window; and
backstage does whatever takes longer than a frame. Heavy modules are loaded backstage, so
that the window is there at once.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visualizer.backstage import Backstage
from visualizer.display import keys
from visualizer.display.window import Window
from visualizer.errors import UserError
from visualizer.timing import Statistics

if TYPE_CHECKING:
    from visualizer.audio.ears import Ears
    from visualizer.display.hud import Hud
    from visualizer.display.stage import Stage
    from visualizer.display.upscale import Upscaler
    from visualizer.hearing import Hearing, Source
    from visualizer.latent.physics import Physics, Pose
    from visualizer.latent.ring import Ring
    from visualizer.neural.inference import Painter
    from visualizer.neural.stream import Picture, PictureStream
    from visualizer.repertoire import Look, Repertoire

SWITCH_S = 1.0
ADJUST_S = 0.3
EDIT_S = 0.5
WATCH_S = 0.5
# Python hands over between its threads this often, so that the audio callback never waits for long.
SWITCH_INTERVAL_S = 0.00003
# A window that is being dragged to a size gets new frames of its shape when it rests.
RESIZE_S = 0.2
FLASHING = "The flash limiter is off: this may harm people with photosensitive epilepsy."
RESPONSE_STEP = 1.25
BOUNCE_STEP = 0.05
# How long it sleeps between looking for events.
LOADING_S = 0.04
MINIMISED_S = 0.1


def run_live(
    source: Source = "microphone",
    preset: str | None = None,
    device: str | int | None = None,
    compute: str = "auto",
    fullscreen: bool = False,
    monitor: int | None = None,
    size: tuple[int, int] = (1280, 720),
    allow_flashing: bool = False,
    seconds: float | None = None,
) -> Statistics:
    """Open the window and play until somebody quits; returns what was measured.

    source: "microphone", or a song to play and follow; "demo" is the built-in tune. preset: a name or a
    file; None begins with the first. device: the sound device's name or number. compute: where the network
    runs, "auto", "cpu" or "cuda". monitor: the number of a display. size: of the window in pixels.
    allow_flashing: switch the flash limiter off. seconds: stop after so long.

    Raises NoDisplay if no window can be opened, and UserError for anything else that was asked for and isn't
    there.
    """
    begun = time.perf_counter()
    # Threads of torch that wait for each other without sleeping would take the callback's time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        with Window("visualizer", size, fullscreen, monitor) as window:
            return _Live(window, source, preset, device, compute, allow_flashing, begun).run(seconds)
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()


@dataclass
class _Parts:
    """What is made backstage before the first picture."""

    repertoire: Repertoire
    painter: Painter
    physics: Physics
    ring: Ring
    hearing: Hearing
    stage: Stage
    stream: PictureStream


class _Live:
    """The main thread's side of the engine."""

    def __init__(
        self,
        window: Window,
        source: Source,
        preset: str | None,
        device: str | int | None,
        compute: str,
        allow_flashing: bool,
        begun: float,
    ):
        from visualizer.display.hud import Hud
        from visualizer.display.upscale import Upscaler

        self._window = window
        self._source, self._preset_name, self._device, self._compute = source, preset, device, compute
        self._allow_flashing, self._begun = allow_flashing, begun
        self._statistics = Statistics()
        self._hud: Hud = Hud()
        self._upscaler: Upscaler = Upscaler()
        self._backstage = Backstage(self._trouble)
        self._parts: _Parts | None = None
        self._look: Look | None = None
        self._looks: dict[int, Look] = {}
        self._leaving = keys.Leaving()
        self._open = ExitStack()
        self._resized = begun
        self._shape = window.size
        self._shown: Picture | None = None
        self._lead = 0.008
        self._took: deque[float] = deque([self._lead], maxlen=20)
        self._still_wanted = False
        self._ending = False

    # --- the loop ---------------------------------------------------------------------------------

    def run(self, seconds: float | None) -> Statistics:
        self._hud.announce("visualizer", "H lists the keys")
        end = None if seconds is None else self._begun + seconds
        with self._open, self._backstage:
            self._backstage.do(self._load)
            last = time.perf_counter()
            while not self._window.closed and (end is None or last < end):
                last = self._frame(last)
            wish = time.perf_counter()
        self._statistics.shut_down = time.perf_counter() - wish
        return self._statistics

    def _frame(self, last: float) -> float:
        """Show one frame; last: when the last one was shown. Returns when this one was."""
        window, period = self._window, self._window.period
        # While loading, the processor has better things to do than to draw.
        self._events(window.events(wait=LOADING_S if self._parts is None else 0.0))
        self._backstage.deliver()
        if window.minimised:
            self._events(window.events(wait=MINIMISED_S))
            return time.perf_counter()
        self._follow_size(last)
        due = window.due()
        parts = self._parts
        if parts is not None:
            parts.stream.tick(due, period, self._lead)
            parts.stream.wait(due - self._lead)
        begun = time.perf_counter()
        dt = begun - last if parts is None else min(0.25, max(1e-3, due - last))
        drawn = parts is not None and self._draw(parts, due, dt)
        if not drawn:
            self._upscaler.clear(*window.size)
        if self._still_wanted and drawn:
            self._save_still()
        self._hud.draw(*window.size, dt)
        window.finish()
        self._took.append(time.perf_counter() - begun)
        self._lead = 0.001 + sorted(self._took)[-3:][0]
        now = window.swap()
        self._count(drawn, now, last)
        return now

    def _draw(self, parts: _Parts, due: float, dt: float) -> bool:
        picture = parts.stream.at(due)
        if picture is None:
            return False
        pose = parts.physics.pose
        frame = parts.stage(picture, float(pose.loudness), float(pose.onset), dt)
        self._upscaler.upload(frame.numpy(force=True))
        self._upscaler.draw(*self._window.size)
        self._follow_sound(parts, pose)
        return True

    def _count(self, drawn: bool, now: float, last: float) -> None:
        statistics, parts = self._statistics, self._parts
        if parts is None or not drawn:
            return
        if statistics.frames == 0:
            statistics.first_picture = now - self._begun
            self._backstage.while_idle(self._idle_work(parts))
        statistics.refresh = self._window.period
        statistics.swapped(now - last)
        statistics.dropped = parts.ring.dropped
        picture = parts.stream.newest
        if picture is not self._shown:
            statistics.paintings.append(picture.took)
            heard = picture.pose.time
            if self._shown is not None and heard > self._shown.pose.time > -float("inf"):
                statistics.latencies.append(now - heard)
            self._shown = picture

    # --- loading, backstage -----------------------------------------------------------------------

    def _load(self) -> None:
        """Make everything that the first picture needs."""
        import torch

        from visualizer import assets
        from visualizer.display.flash import FlashLimiter
        from visualizer.display.stage import Stage
        from visualizer.hearing import Hearing
        from visualizer.latent.physics import Physics
        from visualizer.latent.ring import Ring
        from visualizer.neural.generator import Generator
        from visualizer.neural.inference import choose_device, make_painter
        from visualizer.neural.stream import PictureStream
        from visualizer.repertoire import Repertoire

        # One core is for composing, drawing and hearing.
        torch.set_num_threads(max(1, min(8, (os.cpu_count() or 1) - 1)))
        repertoire = Repertoire(self._preset_name)
        look = repertoire.load(repertoire.start)
        painter = make_painter(
            Generator.load(assets.model("generator.safetensors")), choose_device(self._compute)
        )
        painter(look.targets[:1].astype(np.float32))  # the first one takes long
        ring = Ring()
        physics = Physics(ring, look.motion())
        stage = Stage(self._window.aspect, FlashLimiter(not self._allow_flashing))
        stage.play(look.preset, stage.effects(look.preset), 0)
        stage.blackout.level = 1.0
        stream = PictureStream(painter, lambda: physics.pose)
        hearing = Hearing(self._source, self._device, ring, self._backstage)
        parts = _Parts(repertoire, painter, physics, ring, hearing, stage, stream)
        self._looks[look.place] = look
        # What is there now stays; the collector need not go through it again during the show.
        gc.freeze()
        self._backstage.tell(lambda: self._begin(parts, look))

    def _begin(self, parts: _Parts, look: Look) -> None:
        """Everything is there."""
        self._parts, self._look = parts, look
        self._open.enter_context(parts.physics)
        self._open.enter_context(parts.stream)
        self._open.callback(parts.hearing.close)
        parts.hearing.begin(look.codebook)
        self._hud.thumbnails = [self._thumbnail(path.stem) for path in parts.repertoire.paths]
        self._hud.current = look.place
        self._name(look)
        if self._allow_flashing:
            self._hud.say(FLASHING, warning=True)

    @staticmethod
    def _thumbnail(title: str, still: np.ndarray | None = None):
        from visualizer.display.panels import Thumbnail

        return Thumbnail(title, still)

    def _idle_work(self, parts: _Parts) -> Iterator[float]:
        """Load the other presets, make their stills, and then watch the files."""
        waiting = list(range(len(parts.repertoire)))
        looked = time.perf_counter()
        while True:
            if waiting:
                self._prepare(parts, waiting.pop(0))
            if time.perf_counter() - looked >= WATCH_S:
                looked = time.perf_counter()
                for place in parts.repertoire.edited():
                    self._edited(parts, place)
            yield 0.15 if waiting else WATCH_S

    def _prepare(self, parts: _Parts, place: int) -> None:
        try:
            look = self._looks.get(place) or parts.repertoire.load(place)
            self._looks[place] = look
            still = self._make_still(parts, look)
        except UserError as error:
            self._backstage.tell(lambda error=error: self._trouble(error))
            return

        def show() -> None:
            thumbnails = list(self._hud.thumbnails)
            thumbnails[place] = self._thumbnail(look.preset.title, still)
            self._hud.thumbnails = thumbnails

        self._backstage.tell(show)

    @staticmethod
    def _make_still(parts: _Parts, look: Look) -> np.ndarray:
        """[h, w, 3] uint8: the picture beside the preset's file, or one of its own."""
        import torch

        from visualizer.display.effects import Effects
        from visualizer.display.stills import read_still

        path = parts.repertoire.still(look.place)
        if path is not None:
            return read_still(path)
        effects = Effects(look.preset.display, look.preset.drive, 1.0)
        picture = torch.from_numpy(parts.painter(look.targets[:1].astype(np.float32))[0])
        return effects(picture, -20.0, 0.0, 1 / 60).numpy()

    def _edited(self, parts: _Parts, place: int) -> None:
        """A preset's file was saved: play it at once if it is on, unless it is broken."""
        for attempt in range(2):
            try:
                self._looks[place] = parts.repertoire.load(place)
                break
            except UserError as error:
                if attempt:
                    self._backstage.tell(lambda error=error: self._trouble(error))
                    return
                time.sleep(0.1)  # it may be half written
        look = self._looks[place]
        effects = parts.stage.effects(look.preset)

        def apply() -> None:
            if self._look.place == place:
                self._change(look, effects, EDIT_S)
                self._set_title(look)
                self._hud.say(f"{parts.repertoire.paths[place].name} was read again")

        self._backstage.tell(apply)
        self._prepare(parts, place)

    # --- presets ----------------------------------------------------------------------------------

    def _play(self, place: int) -> None:
        """Go over to another preset."""
        parts = self._parts
        if parts is None or not 0 <= place < len(parts.repertoire):
            return
        self._hud.current = place

        def prepare() -> None:
            try:
                look = self._looks.get(place) or parts.repertoire.load(place)
            except UserError:
                self._backstage.tell(lambda: setattr(self._hud, "current", self._look.place))
                raise
            self._looks[place] = look
            effects = parts.stage.effects(look.preset)

            def begin() -> None:
                if self._hud.current == place:  # and not yet another one
                    self._change(look, effects, SWITCH_S)
                    self._name(look)

            self._backstage.tell(begin)

        self._backstage.do(prepare)

    def _change(self, look: Look, effects, fade: float) -> None:
        """From now on, play this."""
        self._look = look
        self._parts.physics.use(look.motion(), fade)
        self._parts.hearing.use(look.codebook)
        if effects is not None:
            self._parts.stage.play(look.preset, effects, fade)

    def _name(self, look: Look) -> None:
        self._set_title(look)
        self._hud.announce(look.preset.title, look.preset.description)

    def _set_title(self, look: Look) -> None:
        self._window.set_title(f"{look.preset.title} - visualizer")

    def _adjust(self, message: str, **particle: float) -> None:
        """Change the particle of the preset that is on, until the next preset."""
        preset = self._look.preset
        changed = preset.model_copy(update={"particle": preset.particle.model_copy(update=particle)})
        self._change(self._look.adjusted(changed), None, ADJUST_S)
        self._hud.say(message)

    def _remap(self) -> None:
        look = self._look
        kind = "random" if look.preset.mapping.kind == "similar" else "similar"
        mapping = look.preset.mapping.model_copy(update={"kind": kind})

        def prepare() -> None:
            changed = look.adjusted(look.preset.model_copy(update={"mapping": mapping}))

            def begin() -> None:
                if self._look is look:
                    self._change(changed, None, SWITCH_S)

            self._backstage.tell(begin)

        self._hud.say(f"{kind} pictures for similar sounds" if kind == "similar" else "random pictures")
        self._backstage.do(prepare)

    # --- keys -------------------------------------------------------------------------------------

    def _events(self, events: list) -> None:
        import pygame

        for event in events:
            if event.type == pygame.KEYDOWN:
                press = keys.press(pygame.key.name(event.key), event.unicode, event.scancode)
                if press is not None:
                    self._act(press)
            elif event.type == pygame.KEYUP and event.key == pygame.K_ESCAPE:
                self._leaving.release()
            elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
                place = self._hud.preset_at(*event.pos)
                if place is not None:
                    self._play(place)
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._leaving.release()
        if self._leaving.held(time.perf_counter()):
            self._window.closed = True

    def _act(self, press: keys.Press) -> None:
        """Do what a key stands for."""
        match press.action:
            case "quit":
                if self._leaving.press(time.perf_counter(), self._window.fullscreen):
                    self._window.closed = True
                else:
                    self._hud.say("press Esc again to quit", seconds=keys.Leaving.TWICE_S)
            case "fullscreen":
                self._window.toggle_fullscreen()
            case "help" | "info" | "strip":
                self._hud.toggle(press.action)
                self._window.show_pointer(self._hud.shows("strip"))
            case action if self._parts is not None:
                self._act_on_parts(self._parts, action, press.number)

    def _act_on_parts(self, parts: _Parts, action: str, number: int) -> None:
        hud, stage, count = self._hud, parts.stage, len(parts.repertoire)
        particle = self._look.preset.particle
        match action:
            case "preset":
                self._play(number - 1)
            case "next":
                self._play((hud.current + 1) % count)
            case "previous":
                self._play((hud.current - 1) % count)
            case "random":
                others = [place for place in range(count) if place != hud.current]
                self._play(random.choice(others or [0]))
            case "freeze":
                parts.physics.freeze(not parts.physics.frozen)
                hud.say("locked" if parts.physics.frozen else "free again")
            case "faster" | "slower":
                factor = RESPONSE_STEP if action == "slower" else 1 / RESPONSE_STEP
                response = round(min(20000.0, max(20.0, particle.response_ms * factor)), 1)
                self._adjust(f"response {response:.0f} ms", response_ms=response)
            case "less bounce" | "more bounce":
                step = BOUNCE_STEP if action == "more bounce" else -BOUNCE_STEP
                bounce = round(min(0.9, max(0.0, particle.bounce + step)), 3)
                self._adjust(f"bounce {bounce:.2f}", bounce=bounce)
            case "mapping":
                self._remap()
            case "demo":
                hud.say("the demo tune" if parts.hearing.toggle_demo() else "back to what it heard before")
            case "blackout":
                stage.blackout.toggle()
            case "still":
                self._still_wanted = True

    # --- the rest ---------------------------------------------------------------------------------

    def _trouble(self, error: UserError) -> None:
        """Backstage couldn't do something: fatal before the first picture, a message after it."""
        if self._parts is None:
            raise error
        self._hud.say(str(error), warning=True)

    def _follow_size(self, now: float) -> None:
        """Compose for the window's shape, when it has rested."""
        if self._window.size != self._shape:
            self._shape, self._resized = self._window.size, now
        if self._parts is None or now - self._resized < RESIZE_S:
            return
        if self._parts.stage.aspect != self._window.aspect:
            self._parts.stage.reshape(self._window.aspect)
        if self._window.software and self._upscaler.chosen_for != self._shape:
            self._upscaler.choose(*self._shape)

    def _follow_sound(self, parts: _Parts, pose: Pose) -> None:
        news = parts.hearing.news()
        if news is not None:
            self._hud.say(news[0], warning=news[1])
        if parts.hearing.follow() and not self._ending:
            self._ending = True
            parts.stage.blackout.wanted = True
        if self._ending and parts.stage.blackout.level >= 1:
            self._window.closed = True
        sound = parts.hearing.sound
        if sound is not None:
            self._hud.level = sound.level
            if self._hud.shows("info"):
                self._hud.info = self._figures(pose, sound)

    def _figures(self, pose: Pose, sound: Ears) -> list[tuple[str, str]]:
        statistics, limiter = self._statistics, self._parts.stage.limiter
        median, p99 = sound.callback_share()
        latency = f"{1000 * statistics.latencies[-1]:.0f} ms" if statistics.latencies else "–"
        painting = f"{1000 * statistics.paintings[-1]:.1f} ms" if statistics.paintings else "–"
        holding = f"holds {limiter.held:.0%}" if limiter.held else "lets all pass"
        how = "splines" if self._upscaler.sharp else "bilinear"
        return [
            ("preset", self._look.preset.title),
            ("frames", f"{statistics.fps:.1f} a second, {statistics.late} late"),
            ("painting", f"{painting}, {how} on {self._window.renderer[:24]}"),
            ("latency", latency),
            ("cluster", "silence" if pose.cluster < 0 else f"{pose.cluster}"),
            ("flashes", "NOT LIMITED" if self._allow_flashing else f"limiter {holding}"),
            ("sound", sound.status),
            ("level", f"{sound.level:.0f} dB"),
            ("callback", f"{median:.1%} of its time, at worst {p99:.1%}"),
            ("dropped", f"{statistics.dropped} events"),
        ]

    def _save_still(self) -> None:
        from visualizer.display.graphics import read_screen
        from visualizer.display.stills import save_still

        self._still_wanted = False
        pixels = read_screen(*self._window.size).copy()

        def save() -> None:
            path = save_still(pixels, Path())
            self._backstage.tell(lambda: self._hud.say(f"saved {path.name}"))

        self._backstage.do(save)
