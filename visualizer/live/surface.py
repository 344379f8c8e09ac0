"""The surface: a window and what draws in it, or what stands for them in a show without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from visualizer.output.window import Window

if TYPE_CHECKING:
    from visualizer.live.ways import StageWishes
    from visualizer.output.hud import Hud
    from visualizer.output.upscale import Upscaler


def open_window(wishes: StageWishes, size: tuple[int, int], fullscreen: bool, monitor: int | None) -> Window:
    """A window, or none if none was wanted. Raises NoDisplay."""
    if not wishes.headless:
        return Window("visualizer", size, fullscreen, monitor, rotation=wishes.rotation)
    from visualizer.live.headless import NoWindow
    from visualizer.output.codecs import usual_rate

    return NoWindow(size, float(1 / (wishes.fps or usual_rate())))


def drawing(wishes: StageWishes, mark: str) -> tuple[Hud, Upscaler]:
    """What writes and draws in the window. mark: words that stay in its corner."""
    if wishes.headless:
        from visualizer.live.headless import NoUpscaler, Words

        return cast("Hud", Words()), cast("Upscaler", NoUpscaler())
    from visualizer.output.hud import Hud
    from visualizer.output.upscale import Upscaler

    return Hud(mark), Upscaler()
