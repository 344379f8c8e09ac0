"""The words over the picture: titles, messages, figures, the keys and the strip of presets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visualizer.output import panels
from visualizer.output.overlay import Overlays, Panel
from visualizer.output.panels import Thumbnail
from visualizer.picture.fade import Fade

TITLE_S = 3.0
MESSAGE_S = 3.0
WARNING_S = 8.0
INFO_EVERY_S = 0.25
# The level meter's left end, in dB re full scale.
METER_FLOOR = -60.0
MARK_ALPHA = 0.8
# What is shown and hidden by name.
PANELS = ("info", "help", "strip", "code")
WARM = (1.0, 0.745, 0.408)
PALE = (0.95, 0.94, 0.92)


class _Passing:
    """A panel that comes, stays for a while and goes."""

    def __init__(self) -> None:
        self.panel = Panel()
        self.fade = Fade()
        self.left = 0.0
        self.content: tuple = ()

    def say(self, seconds: float, *content: object) -> None:
        self.content = content
        self.left = seconds

    def step(self, dt: float) -> float:
        self.left -= dt
        self.fade.wanted = self.left > 0
        return self.fade.step(dt)


class Hud:
    """What is written over the picture. `draw` it after every picture, before the swap.

    info: (name, value) rows of figures. level: dB re full scale, for the meter. thumbnails and current:
    the strip of presets. on_air: words beside a red dot. code: a QR code's rows of ones and zeros, and the
    words below it.
    """

    def __init__(self, mark: str = "") -> None:
        """mark: words that stay in the corner for as long as the window is open."""
        self.info: Sequence[tuple[str, str]] = ()
        self.on_air = ""
        self.level = METER_FLOOR
        self.thumbnails: Sequence[Thumbnail] = ()
        self.current = 0
        self.code: tuple[Sequence[Sequence[int]], str] | None = None
        self._size = (1, 1)
        self._mark, self._mark_panel = mark, Panel()
        self._on_air_panel = Panel()
        self._overlays = Overlays()
        self._title, self._message = _Passing(), _Passing()
        self._fades = {name: Fade() for name in PANELS}
        self._panels = {name: Panel() for name in self._fades}
        self._rows: Sequence[tuple[str, str]] = ()
        self._rows_age = INFO_EVERY_S
        self._meter = 0.0

    def toggle(self, name: str) -> None:
        """Show one of `PANELS`, or hide it."""
        self._fades[name].toggle()

    def shows(self, name: str) -> bool:
        """Whether one of `PANELS` is asked for."""
        return self._fades[name].wanted

    @property
    def message(self) -> str:
        """The message that is seen now, or ""."""
        return str(self._message.content[0]) if self._message.left > 0 else ""

    def say(
        self, text: str, warning: bool = False, seconds: float | None = None, meter: bool = False
    ) -> None:
        """Show a sentence for a while. meter: and below it, how loud it is."""
        self._message.say(seconds or (WARNING_S if warning or meter else MESSAGE_S), text, warning, meter)

    def wait(self, words: str) -> None:
        """Show what there is to wait for, until a preset is announced."""
        self._title.say(math.inf, "visualizer", words)

    def announce(self, title: str, description: str = "") -> None:
        """Show a preset's title for a while."""
        self._title.say(TITLE_S, title, description)

    def preset_at(self, x: float, y: float) -> int | None:
        """The preset whose thumbnail is at a place in the window."""
        if not self.shows("strip"):
            return None
        width, height = self._size
        unit = panels.unit_for(width, height)
        top = height - self._panels["strip"].size[1]
        for i, place in panels.strip_places(len(self.thumbnails), self.current, unit, width):
            if place.collidepoint(x, y - top):
                return i
        return None

    def draw(self, width: int, height: int, dt: float) -> None:
        """Draw what is to be seen over a window of a size in pixels, dt seconds after the last time."""
        self._size = (width, height)
        unit = panels.unit_for(width, height)
        level = min(1.0, max(0.0, 1 - self.level / METER_FLOOR))
        # Up at once, down slowly, as meters do.
        self._meter = max(level, self._meter - dt / 1.5)
        alpha = {name: fade.step(dt) for name, fade in self._fades.items()}
        title, message = self._title.step(dt), self._message.step(dt)
        self._overlays.begin(width, height)
        strip_height = self._draw_strip(unit, alpha["strip"])
        floor = height - unit - strip_height * alpha["strip"]
        # The help is the larger thing; a title under it would only shine through.
        title *= 1 - alpha["help"]
        if title > 0:
            name, description = self._title.content
            panel = self._title.panel
            panel.show((name, description, unit, width), lambda: panels.title(name, description, unit, width))
            self._overlays.panel(panel, unit, floor - panel.size[1], title)
            floor -= (panel.size[1] + unit / 2) * title
        top = float(unit)
        if self.on_air:
            panel, words = self._on_air_panel, self.on_air
            panel.show((words, unit), lambda: panels.on_air(words, unit))
            self._overlays.panel(panel, width - panel.size[0] - unit, top, MARK_ALPHA)
            top += panel.size[1] + unit / 2
        if self._mark:
            panel = self._mark_panel
            panel.show((unit, width), lambda: panels.message(self._mark, unit, width, warning=True))
            self._overlays.panel(panel, width - panel.size[0] - unit, top, MARK_ALPHA)
        self._draw_info(unit, alpha["info"] * (1 - alpha["help"]), dt)
        if alpha["help"] > 0:
            panel = self._panels["help"]
            panel.show((width, height), lambda: panels.help_list(width, height))
            left, top = (width - panel.size[0]) / 2, (height - panel.size[1]) / 2
            self._overlays.panel(panel, left, top, alpha["help"])
        if alpha["code"] > 0 and self.code is not None:
            panel, (matrix, words) = self._panels["code"], self.code
            panel.show(
                (words, unit, height), lambda: panels.code(matrix, words, unit, min(width, height) // 2)
            )
            left, top = (width - panel.size[0]) / 2, (height - panel.size[1]) / 2
            self._overlays.panel(panel, left, top, alpha["code"])
        if message > 0:
            text, warning, metered = self._message.content
            panel = self._message.panel
            panel.show((text, warning, unit, width), lambda: panels.message(text, unit, width, warning))
            # The help's last row says how to quit; of its first, only the heading is covered.
            top = unit / 2 if self.shows("help") else floor - panel.size[1]
            left = (width - panel.size[0]) / 2
            self._overlays.panel(panel, left, top, message)
            if metered:
                box = left + unit, top + panel.size[1] - 0.42 * unit, panel.size[0] - 2 * unit, 0.2 * unit
                self._draw_meter(box, message)

    def _draw_strip(self, unit: int, alpha: float) -> int:
        if alpha == 0 or not self.thumbnails:
            return 0
        width, height = self._size
        panel = self._panels["strip"]
        content = tuple((t.title, id(t.still)) for t in self.thumbnails)
        panel.show(
            (content, self.current, unit, width),
            lambda: panels.strip(self.thumbnails, self.current, unit, width),
        )
        self._overlays.panel(panel, 0, height - panel.size[1], alpha)
        return panel.size[1]

    def _draw_info(self, unit: int, alpha: float, dt: float) -> None:
        self._rows_age += dt
        if alpha == 0 or not self.info:
            return
        if self._rows_age >= INFO_EVERY_S:
            self._rows, self._rows_age = tuple(self.info), 0.0
        panel = self._panels["info"]
        panel.show((self._rows, unit), lambda: panels.info(self._rows, unit))
        self._overlays.panel(panel, unit, unit, alpha)
        left, top, length, thickness = panels.meter_box(panel.size, unit)
        self._draw_meter((unit + left, unit + top, length, thickness), alpha)

    def _draw_meter(self, box: tuple[float, float, float, float], alpha: float) -> None:
        left, top, length, thickness = box
        self._overlays.rectangle(box, PALE, 0.15 * alpha)
        colour = WARM if self._meter > 0.95 else PALE
        self._overlays.rectangle((left, top, length * self._meter, thickness), colour, alpha)
