"""The programme: which preset is on, and going over from one to the next without a dropped frame.

Presets are loaded backstage; only what is ready is handed to the render thread. Their files are
watched, and what is saved takes effect at once, unless it is broken.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from visualizer.common.errors import UserError
from visualizer.control.repertoire import Look
from visualizer.live.backstage import Backstage
from visualizer.live.loading import Parts
from visualizer.output.hud import Hud
from visualizer.output.panels import Thumbnail

if TYPE_CHECKING:
    from visualizer.picture.effects.effects import Effects

SWITCH_S = 1.0
ADJUST_S = 0.3
EDIT_S = 0.5
WATCH_S = 0.5
RESPONSE_STEP = 1.25
BOUNCE_STEP = 0.05


class Programme:
    """Plays presets; all methods are for the render thread. look: what is on."""

    def __init__(self, parts: Parts, hud: Hud, backstage: Backstage, set_title: Callable[[str], None]):
        """set_title: what writes a title into the window's frame."""
        self.look: Look = parts.first
        self._parts, self._hud, self._backstage, self._set_title = parts, hud, backstage, set_title
        self._looks: dict[int, Look] = {self.look.place: self.look}
        hud.thumbnails = [Thumbnail(path.stem, None) for path in parts.repertoire.paths]
        hud.current = self.look.place
        self._name(self.look)

    # --- going over -------------------------------------------------------------------------------

    def play(self, place: int) -> None:
        """Go over to another preset, by its number from 0."""
        if not 0 <= place < len(self._parts.repertoire):
            return
        self._hud.current = place
        self._backstage.do(lambda: self._prepare_to_play(place))

    def step(self, by: int) -> None:
        """Go over to the next preset, or the one before."""
        self.play((self._hud.current + by) % len(self._parts.repertoire))

    def play_any(self) -> None:
        """Go over to any other preset."""
        others = [place for place in range(len(self._parts.repertoire)) if place != self._hud.current]
        self.play(random.choice(others or [0]))

    def _prepare_to_play(self, place: int) -> None:
        """Backstage."""
        try:
            look = self._looks.get(place) or self._parts.repertoire.load(place)
        except UserError:
            self._backstage.tell(lambda: setattr(self._hud, "current", self.look.place))
            raise
        self._looks[place] = look
        effects = self._parts.stage.effects(look.preset)

        def begin() -> None:
            if self._hud.current == place:  # and not yet another one
                self._change(look, effects, SWITCH_S)
                self._name(look)

        self._backstage.tell(begin)

    def _change(self, look: Look, effects: Effects | None, fade: float) -> None:
        """From now on, play this."""
        self.look = look
        self._parts.physics.use(look.motion(), fade)
        self._parts.hearing.use(look.codebook)
        if effects is not None:
            self._parts.stage.play(look.preset, effects, fade)

    def _name(self, look: Look) -> None:
        self._set_title(f"{look.preset.title} - visualizer")
        self._hud.announce(look.preset.title, look.preset.description)

    # --- changing what is on ----------------------------------------------------------------------

    def respond(self, slower: bool) -> None:
        """Make the particle slower or faster, until the next preset."""
        factor = RESPONSE_STEP if slower else 1 / RESPONSE_STEP
        response = round(min(20000.0, max(20.0, self.look.preset.particle.response_ms * factor)), 1)
        self._adjust(f"response {response:.0f} ms", response_ms=response)

    def bounce(self, more: bool) -> None:
        """Make the particle bounce more or less, until the next preset."""
        step = BOUNCE_STEP if more else -BOUNCE_STEP
        bounce = round(min(0.9, max(0.0, self.look.preset.particle.bounce + step)), 3)
        self._adjust(f"bounce {bounce:.2f}", bounce=bounce)

    def _adjust(self, message: str, **particle: float) -> None:
        preset = self.look.preset
        changed = preset.model_copy(update={"particle": preset.particle.model_copy(update=particle)})
        self._change(self.look.adjusted(changed), None, ADJUST_S)
        self._hud.say(message)

    def remap(self) -> None:
        """Change over between similar and random pictures for similar sounds."""

        def prepare() -> None:
            look = self.look
            kind = "random" if look.preset.mapping.kind == "similar" else "similar"
            mapping = look.preset.mapping.model_copy(update={"kind": kind})
            changed = look.adjusted(look.preset.model_copy(update={"mapping": mapping}))

            def begin() -> None:
                if self.look is not look:  # the particle was adjusted meanwhile, or another preset chosen
                    return self._backstage.do(prepare) if self.look.place == look.place else None
                self._change(changed, None, SWITCH_S)
                similar = "similar pictures for similar sounds"
                self._hud.say(similar if kind == "similar" else "random pictures")

            self._backstage.tell(begin)

        self._backstage.do(prepare)

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

        path = self._parts.repertoire.still(look.place)
        if path is not None:
            return read_still(path)
        effects = Effects(look.preset.display, look.preset.drive, 1.0)
        picture = torch.as_tensor(self._parts.painter(look.targets[:1], look.targets[:1])[0])
        return effects(picture, -20.0, 0.0, 1 / 60).numpy(force=True)

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
