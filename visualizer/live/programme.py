"""The programme: which preset is on, and going over from one to the next without a dropped frame.

Presets are loaded backstage; only what is ready is handed to the render thread. Their files are
watched, and what is saved takes effect at once, unless it is broken.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from visualizer.audio.accents import Accents
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk
from visualizer.control.repertoire import Look
from visualizer.control.set_list import Set, SetList, keep
from visualizer.control.table import SETTINGS
from visualizer.live.backstage import Backstage
from visualizer.live.loading import Parts
from visualizer.output.panels import Thumbnail

if TYPE_CHECKING:
    from visualizer.output.hud import Hud
    from visualizer.picture.effects.effects import Effects

SWITCH_S = 1.0
EDIT_S = 0.5
WATCH_S = 0.5
# Values of the picture follow their knobs with this time constant, and arrive when they are so near.
GLIDE_S = 0.08
NEAR = 1e-3
# Settings for which targets are dealt anew, or every pixel's place: too much for one frame.
SLOW = ("mapping.kind", "display.kaleidoscope", "display.fit")


class Programme:
    """Plays presets; all methods are for the render thread.

    look: what is on, as it was turned by hand. set_list: what changes it by itself.
    """

    def __init__(
        self,
        parts: Parts,
        wanted: Set,
        hud: Hud,
        desk: Desk,
        backstage: Backstage,
        set_title: Callable[[str], None],
    ):
        """wanted: what to play by itself; set_title: what writes a title into the window's frame."""
        self.look: Look = parts.first
        self._parts, self._hud, self._desk = parts, hud, desk
        self._backstage, self._set_title = backstage, set_title
        self._looks: dict[int, Look] = {self.look.place: self.look}
        # Of either kind, one job at most is backstage, however fast somebody turns and chooses.
        self._going_over = self._preparing = False
        self._wanted: dict[str, Any] = {}
        self._gliding: dict[str, float] = {}
        desk.options["preset"] = parts.repertoire.names
        hud.thumbnails = [Thumbnail(path.stem, None) for path in parts.repertoire.paths]
        self._choose(self.look.place)
        self._settle()
        self._announces = True
        self._name(self.look)
        self.set_list = SetList(desk, wanted, lambda names: backstage.do(lambda: keep(names)))

    # --- going over -------------------------------------------------------------------------------

    def play(self, place: int, announce: bool = True) -> None:
        """Go over to another preset, by its number from 0. announce: write its title over the picture."""
        if not 0 <= place < len(self._parts.repertoire):
            return
        self._announces = announce
        self._choose(place)
        if not self._going_over:
            self._going_over = True
            self._backstage.do(lambda: self._prepare_to_play(place))

    def play_any(self) -> None:
        """Go over to any other preset."""
        others = [place for place in range(len(self._parts.repertoire)) if place != self._hud.current]
        self.play(random.choice(others or [0]))

    def _choose(self, place: int) -> None:
        self._hud.current = place
        self._desk.settled("preset", self._parts.repertoire.names[place])

    def _prepare_to_play(self, place: int) -> None:
        """Backstage."""
        try:
            look = self._looks.get(place) or self._parts.repertoire.load(place)
        except UserError:
            self._backstage.tell(lambda: self._arrive(place, self._stay))
            raise
        self._looks[place] = look
        effects = self._parts.stage.effects(look.preset)

        def begin() -> None:
            self._change(look, effects, SWITCH_S)
            self._name(look)

        self._backstage.tell(lambda: self._arrive(place, begin))

    def _arrive(self, place: int, then: Callable[[], None]) -> None:
        """A preset is ready, or can't be: do something, unless another one has been chosen meanwhile."""
        self._going_over = False
        if self._hud.current == place:
            then()
        else:
            self.play(self._hud.current, self._announces)

    def _stay(self) -> None:
        self._choose(self.look.place)

    def _change(self, look: Look, effects: Effects | None, fade: float) -> None:
        """From now on, play this."""
        self._wanted.clear()
        self._gliding.clear()
        self.look = look
        self._parts.physics.use(look.motion(), fade)
        self._parts.hearing.use(look.codebook)
        if effects is not None:
            self._parts.stage.play(look.preset, effects, fade)
        self._settle()

    def _settle(self) -> None:
        """The preset's values are the controls'."""
        for setting, name in SETTINGS.items():
            value = self.look.preset.value(setting)
            if value is not None:
                self._desk.settled(name, value)

    def _name(self, look: Look) -> None:
        self._set_title(f"{look.preset.title} - visualizer")
        if self._announces:
            self._hud.announce(look.preset.title, look.preset.description)

    # --- changing what is on ----------------------------------------------------------------------

    def turn(self, setting: str, value: Any) -> None:
        """Have another value under a key of the preset that is on, until the next preset."""
        preset = self.look.preset
        if preset.value(setting) is None:
            return
        if setting in SLOW:
            self._wanted[setting] = value
            if not self._preparing:
                self._preparing = True
                self._backstage.do(self._prepare_wanted)
        elif setting.startswith("display."):
            self._gliding[setting] = value
        else:
            self.look = self.look.adjusted(preset.having({setting: value}))
            self._parts.physics.tune(self.look.motion())

    def step(self, now: float, dt: float) -> None:
        """Move on by dt seconds what is gone over to softly: knobs turn by steps, pictures shouldn't."""
        self.set_list.step(now)
        if not self._gliding:
            return
        reached, changes = 1 - math.exp(-dt / GLIDE_S), {}
        for setting, wanted in list(self._gliding.items()):
            present = self.look.preset.value(setting)
            left = (wanted - present) * (1 - reached)
            if abs(left) < NEAR:
                left = 0.0
                del self._gliding[setting]
            changes[setting] = wanted - left
        self.look = self.look.adjusted(self.look.preset.having(changes))
        self._parts.stage.adjust(self.look.preset)

    def _prepare_wanted(self) -> None:
        """Backstage: what can't be gone over to from one frame to the next."""
        look, wanted = self.look, dict(self._wanted)
        changed = look.adjusted(look.preset.having(wanted))
        reframed = changed.preset.display != look.preset.display
        effects = self._parts.stage.effects(changed.preset) if reframed else None
        self._backstage.tell(lambda: self._take(look, wanted, changed, effects))

    def _take(self, look: Look, wanted: dict[str, Any], changed: Look, effects: Effects | None) -> None:
        """What was wanted of a look is ready; what else was turned meanwhile stays turned."""
        self._preparing = False
        if self.look.place == look.place:
            self._wanted = {k: v for k, v in self._wanted.items() if k not in wanted or wanted[k] != v}
            preset = self.look.preset.having(wanted)
            self.look = replace(self.look, preset=preset, targets=changed.targets, poses=changed.poses)
            if changed.targets is not look.targets:
                self._parts.physics.use(self.look.motion(), SWITCH_S)
            if effects is not None:
                self._parts.stage.play(self.look.preset, effects, SWITCH_S)
        if self._wanted:
            self.turn(*next(iter(self._wanted.items())))

    # --- idle work, backstage ---------------------------------------------------------------------

    def idle_work(self) -> Iterator[float]:
        """Load the other presets, make their stills, and then watch the files; see `Backstage`."""
        waiting = list(range(len(self._parts.repertoire)))
        looked = time.perf_counter()
        while True:
            if waiting:
                self._attempt(self._prepare, waiting.pop(0))
            if time.perf_counter() - looked >= WATCH_S:
                looked = time.perf_counter()
                for place in self._parts.repertoire.edited():
                    self._attempt(self._edited, place)
            yield 0.15 if waiting else WATCH_S

    def _attempt(self, job: Callable[[int], None], place: int) -> None:
        self._backstage.attempt(lambda: job(place), None)

    def _prepare(self, place: int) -> None:
        look = self._looks.get(place) or self._parts.repertoire.load(place)
        self._looks[place] = look
        still = self._make_still(look)

        def show() -> None:
            thumbnails = list(self._hud.thumbnails)
            thumbnails[place] = Thumbnail(look.preset.title, still)
            self._hud.thumbnails = thumbnails

        self._backstage.tell(show)

    def _make_still(self, look: Look) -> np.ndarray:
        """[h, w, 3] uint8: the picture beside the preset's file, or one of its own."""
        import torch

        from visualizer.output.stills import read_still
        from visualizer.picture.effects.effects import Effects

        path = self._parts.repertoire.still(look.place) if look.own_bank else None
        if path is not None:
            return read_still(path)
        picture = torch.as_tensor(self._parts.painter(*look.example)[0])
        effects = Effects(look.preset.display, look.preset.drive, 1.0, len(picture))
        return effects(picture, Accents(-20.0), 1 / 60).numpy(force=True)

    def _edited(self, place: int) -> None:
        """A preset's file was saved: play it at once if it is on, unless it is broken."""
        for attempt in range(2):
            try:
                self._looks[place] = self._parts.repertoire.load(place)
                break
            except UserError:
                if attempt:
                    raise
                time.sleep(0.1)  # it may be half written
        look = self._looks[place]
        effects = self._parts.stage.effects(look.preset)

        def apply() -> None:
            if self.look.place == place:
                self._change(look, effects, EDIT_S)
                self._set_title(f"{look.preset.title} - visualizer")
                self._hud.say(f"{self._parts.repertoire.paths[place].name} was read again")

        self._backstage.tell(apply)
        self._prepare(place)
