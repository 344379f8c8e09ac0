"""Checking video files for dangerous flashes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from visualizer.audio.media import title
from visualizer.common.progress import bar
from visualizer.offline.video_reader import VideoReader
from visualizer.picture.flash import rule
from visualizer.picture.flash.grid import Grid
from visualizer.picture.flash.pixels import ProcessorPixels
from visualizer.picture.flash.watch import KINDS, Watch

RULE = "W3C WCAG 2.2, 2.3.1 (general and red flashes); sustained flashes as broadcasters limit them"
# Violations of one kind that are no further apart than this (seconds) are one passage.
SAME_PASSAGE = 1.0


@dataclass
class Violation:
    """A passage of a video that breaks the rule."""

    kind: str
    """"general", "red", or "sustained" for either of them kept up for four of five seconds."""
    start: float
    """Seconds, from the beginning of the first window of time that holds too many flashes..."""
    end: float
    """...to the end of the last."""
    area: float
    """The part of the worst 10-degree block that flashes, 0..1."""


@dataclass
class Report:
    """What was found in a video."""

    path: str
    seconds: float = 0.0
    frames: int = 0
    flashes: float = 0.0
    """The most flashes in a second that a block of the picture, or the whole of it, made."""
    violations: list[Violation] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    """What of the video could not be read, and so was not checked; a clause for each kind."""

    @property
    def safe(self) -> bool:
        """Whether what could be read of the video keeps the rule."""
        return not self.violations

    def to_dict(self) -> dict[str, object]:
        """For JSON: file, verdict ("pass" or "fail"), seconds, frames, most_flashes_per_second, violations,
        damage and rule.
        """
        return {
            "file": self.path,
            "verdict": "pass" if self.safe else "fail",
            "seconds": round(self.seconds, 3),
            "frames": self.frames,
            "most_flashes_per_second": self.flashes,
            "violations": [
                {k: v if isinstance(v, str) else round(v, 3) for k, v in asdict(v).items()}
                for v in self.violations
            ],
            "damage": self.damage,
            "rule": RULE,
        }

    def __str__(self) -> str:
        """The verdict in a line, and a line for every passage that breaks the rule."""
        found = f"{self.frames} frames, {_clock(self.seconds)}, at most {self.flashes:g} flashes a second"
        unread = [f"  not all could be read: {'; '.join(self.damage)}"] if self.damage else []
        if self.safe:
            return "\n".join([f"{self.path}: PASS ({found}).", *unread])
        names = {"general": "flashes", "red": "red flashes", "sustained": "flashes for four of five seconds"}
        lines = [
            f"  {_clock(v.start)} to {_clock(v.end)}  too many {names[v.kind]}, "
            f"on up to {v.area:.0%} of a 10-degree field of view"
            for v in self.violations
        ]
        passages = "one passage" if len(lines) == 1 else f"{len(lines)} passages"
        return "\n".join([f"{self.path}: FAIL in {passages} ({found}).", *lines, *unread])


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def check_video(path: Path | str, progress: bool = True) -> Report:
    """Look for flashes that can trigger photosensitive epilepsy.

    The frames are taken to fill a 1024x768 view, whatever their shape. Memory does not grow with
    length. Raises UserError if the file can't be read or holds no video.
    """
    report, watch = Report(title(path)), None
    with VideoReader(path) as video, bar(video.expected_frames, "checking", "frame", progress) as shown:
        for packet in video.packets():
            if packet.stream.type != "video":
                continue
            for _, frame, dt in video.frames(packet):
                if watch is None:
                    height, width, _ = frame.shape
                    grid = Grid(height, width, exact=True)
                    watch, pixels = Watch(grid, resolution=0.0), ProcessorPixels(grid)
                    begun = video.time
                watch.advance(dt)
                watch.accept(watch.look(pixels.measure(frame)))
                _note(report, watch)
                shown.update()
        video.check_seen()
        report.frames, report.damage = video.n_frames, video.damage
        report.seconds = video.time - begun + float(1 / video.rate)
    report.violations.sort(key=lambda v: v.start)
    return report


def _note(report: Report, watch: Watch) -> None:
    report.flashes = max(report.flashes, watch.flashes())
    found: dict[str, tuple[float, float]] = {}
    for kind, flashes in zip(KINDS, watch.kinds, strict=True):
        limit, sustained = flashes.broken()
        found[kind] = limit, rule.WINDOW
        found["sustained"] = max(sustained, found.get("sustained", (0, 0))[0]), rule.SUSTAINED_WINDOW
    for kind, (area, window) in found.items():
        if area == 0:
            continue
        same = [v for v in report.violations if v.kind == kind and watch.now - v.end <= SAME_PASSAGE]
        if same:
            same[-1].end, same[-1].area = watch.now, max(same[-1].area, area)
        else:
            report.violations.append(Violation(kind, max(0.0, watch.now - window), watch.now, area))
