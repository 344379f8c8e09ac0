"""The readout: what the info panel says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visualizer.live.statistics import Statistics
from visualizer.output.upscale import Upscaler
from visualizer.output.window import Window

if TYPE_CHECKING:
    from visualizer.audio.ears import Ears
    from visualizer.audio.rhythm import Beat
    from visualizer.control.preset import Preset
    from visualizer.live.loading import Parts

Row = tuple[str, str]


def rows(
    preset: Preset,
    statistics: Statistics,
    parts: Parts,
    window: Window,
    upscaler: Upscaler,
    limited: bool,
    beat: Beat,
) -> list[Row]:
    """(name, value) of everything worth a look during a show.

    limited: whether flashes are; beat: the newest.
    """
    pose, sound, held = parts.physics.pose, parts.hearing.sound, parts.stage.limiter.held
    flashes = f"limiter {f'holds {held:.0%}' if held else 'lets all pass'}" if limited else "NOT LIMITED"
    return [
        ("preset", preset.title),
        ("frames", f"{statistics.fps:.1f} a second, {statistics.late} late"),
        ("painting", _painting(parts, statistics)),
        (
            "composing",
            f"{_milliseconds(statistics.composing.last)}, {upscaler.way} on {window.renderer[:24]}",
        ),
        ("latency", _latency(statistics)),
        ("cluster", "silence" if pose.cluster < 0 else f"{pose.cluster}"),
        ("beat", _beat(beat)),
        ("flashes", flashes),
        *(_sound(sound) if sound is not None else []),
        ("dropped", f"{statistics.dropped} events"),
    ]


def _painting(parts: Parts, statistics: Statistics) -> str:
    by = "" if parts.choice is None else f", {parts.choice.quality}"
    return f"{_milliseconds(statistics.paintings.last)} a picture{by}"


def _sound(sound: Ears) -> list[Row]:
    median, p99 = sound.callback_share()
    return [
        ("sound", sound.status),
        ("level", f"{sound.level:.0f} dB"),
        ("callback", f"{median:.1%} of its time, 99 % within {p99:.1%}"),
        ("sound lost", f"{sound.lost} times{f', {sound.errors} ERRORS' if sound.errors else ''}"),
    ]


def _beat(beat: Beat) -> str:
    if not beat.tempo:
        return "none"
    bar = f", {beat.position + 1} of {beat.meter}" if beat.meter else ""
    return f"{beat.tempo:.0f} a minute{bar}, {beat.confidence:.0%} sure"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.1f} ms"


def _latency(statistics: Statistics) -> str:
    spread = statistics.latest.spread()
    if spread is None:
        return "–"
    median, p99 = (1000 * (seconds - statistics.head_start) for seconds in spread[:2])
    return f"{median:.0f} ms from sound to screen, 99 % within {p99:.0f} ms"
