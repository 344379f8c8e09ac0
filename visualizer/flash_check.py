"""Checking video files for dangerous flashes, and writing copies without them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace

from visualizer.audio.media import open_media
from visualizer.display.flash import rule
from visualizer.display.flash.limiter import FILE_MARGIN, FlashLimiter
from visualizer.display.flash.rule import Grid
from visualizer.display.flash.watch import Watch
from visualizer.errors import UserError
from visualizer.progress import bar

RULE = "W3C WCAG 2.2, 2.3.1 (general and red flashes); sustained flashes as broadcasters limit them"
# Violations of one kind that are no further apart than this (seconds) are one passage.
SAME_PASSAGE = 1.0
# Each next one is tried if, after compression, the copy still breaks the rule.
MARGINS = (FILE_MARGIN, 0.3, 0.5)
SUFFIXES = (".mp4", ".mov", ".mkv")
HD_HEIGHT = 720
BT709 = 1
LIMITED_RANGE = 1
UNSPECIFIED = 2


@dataclass
class Violation:
    """A passage of a video that breaks the rule."""

    kind: str
    """"general", "red", or "sustained" for either of them kept up for five seconds."""
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

    @property
    def safe(self) -> bool:
        """Whether the video keeps the rule."""
        return not self.violations

    def to_dict(self) -> dict[str, object]:
        """For JSON: file, verdict ("pass" or "fail"), seconds, frames, flashes, violations and rule."""
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
            "rule": RULE,
        }

    def __str__(self) -> str:
        """The verdict in a line, and a line for every passage that breaks the rule."""
        found = f"{self.frames} frames, {_clock(self.seconds)}, at most {self.flashes:g} flashes a second"
        if self.safe:
            return f"{self.path}: PASS ({found})."
        names = {"general": "flashes", "red": "red flashes", "sustained": "flashes for five seconds"}
        lines = [
            f"  {_clock(v.start)} to {_clock(v.end)}  too many {names[v.kind]}, "
            f"on up to {v.area:.0%} of a 10-degree field of view"
            for v in self.violations
        ]
        passages = "one passage" if len(lines) == 1 else f"{len(lines)} passages"
        return "\n".join([f"{self.path}: FAIL in {passages} ({found}).", *lines])


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


class _Video:
    """An open video file, read frame by frame. A context manager."""

    def __init__(self, path: Path | str):
        """Raises UserError if the file is missing or holds no video."""
        self.path = Path(path)
        if self.path.is_dir():
            raise UserError(f"{path} is a folder; give a video file.")
        if not self.path.exists():
            raise UserError(f"{path}: no such file; check the name.")
        try:
            self.container = open_media(path)
        except PermissionError:
            raise UserError(f"{path} can't be read; check its permissions.") from None
        except (av.FFmpegError, OSError) as error:
            raise UserError(f"{path} is not a video that FFmpeg can read ({_reason(error)}).") from None
        covers = av.stream.Disposition.attached_pic
        streams = [s for s in self.container.streams.video if not s.disposition & covers]
        if not streams:
            self.container.close()
            raise UserError(f"{path} holds no video; give a file with moving pictures.")
        self.stream = streams[0]
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.n_frames = 0
        self.time = 0.0

    @property
    def expected_frames(self) -> int | None:
        """How many frames the header promises; None if it doesn't say."""
        if self.stream.frames:
            return self.stream.frames
        if self.stream.duration:
            return round(self.stream.duration * self.time_base * self.rate)
        if self.container.duration:
            return round(self.container.duration / av.time_base * self.rate)
        return None

    def packets(self) -> Iterator[av.Packet]:
        """The packets of the video and of all sound, as they lie in the file."""
        try:
            yield from self.container.demux(self.stream, *self.container.streams.audio)
        except (av.FFmpegError, OSError):
            # A file that was cut short ends here.
            return

    def frames(self, packet: av.Packet) -> Iterator[tuple[av.VideoFrame, torch.Tensor, float]]:
        """Decode: (frame, [h, w, 3] uint8 sRGB, seconds since the frame before); broken ones are left out."""
        with suppress(av.InvalidDataError):
            for frame in packet.decode():
                if self.n_frames == 0:
                    self.size = frame.height, frame.width
                now = frame.time
                if now is None:
                    now = self.time + float(1 / self.rate) if self.n_frames else 0.0
                dt = max(0.0, now - self.time) if self.n_frames else 0.0
                self.time = now if self.n_frames == 0 else self.time + dt
                self.n_frames += 1
                yield frame, self._pixels(frame), dt

    def _pixels(self, frame: av.VideoFrame) -> torch.Tensor:
        unspecified = frame.colorspace == UNSPECIFIED and frame.height >= HD_HEIGHT
        source = Colorspace.ITU709 if unspecified else None
        height, width = self.size
        picture = frame.to_ndarray(format="rgb24", width=width, height=height, src_colorspace=source)
        return torch.from_numpy(np.ascontiguousarray(picture))

    def check_seen(self) -> None:
        """Raises UserError if there was nothing to see."""
        if self.n_frames == 0:
            raise UserError(f"{self.path} holds no picture that can be decoded; give another video.")

    def __enter__(self) -> _Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()


def check_video(path: Path | str, progress: bool = True) -> Report:
    """Look for flashes that can trigger photosensitive epilepsy.

    The frames are taken to fill a 1024x768 view, whatever their shape. Memory does not grow with
    length. Raises UserError if the file can't be read or holds no video.
    """
    report, watch = Report(str(path)), None
    with _Video(path) as video, bar(video.expected_frames, "checking", "frame", progress) as shown:
        for packet in video.packets():
            if packet.stream.type != "video":
                continue
            for _, frame, dt in video.frames(packet):
                if watch is None:
                    height, width, _ = frame.shape
                    watch = Watch(Grid(height, width, exact=True), resolution=0.0)
                    begun = video.time
                watch.advance(dt)
                watch.accept(watch.look(watch.grid.measure(frame)))
                _note(report, watch)
                shown.update()
        video.check_seen()
        report.frames = video.n_frames
        report.seconds = video.time - begun + float(1 / video.rate)
    report.violations.sort(key=lambda v: v.start)
    return report


def _note(report: Report, watch: Watch) -> None:
    report.flashes = max(report.flashes, watch.flashes())
    found: dict[str, tuple[float, float]] = {}
    for kind, flashes in zip(("general", "red"), watch.kinds, strict=True):
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


def fix_video(path: Path | str, out: Path | str, progress: bool = True) -> Report:
    """Write a copy of a video, with its sound, in which the limiter has held back dangerous flashes.

    H.264 of the same times, rate and size (odd sizes grow by a pixel); sound is copied as it is.
    The copy is checked, and made again with more margin if compression has brought flashes back.
    It appears under its name only when it is complete and safe. Returns the report on the copy.
    Raises UserError if the video can't be read, or the copy can't be written or made safe.
    """
    out = Path(out)
    _check_output(Path(path), out)
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        for margin in MARGINS:
            _write_safe(path, out, part, margin, progress)
            report = check_video(part, progress)
            report.path = str(out)
            if report.safe:
                break
        else:
            raise UserError(
                f"{path}: compression brings too many flashes back, however much is held back; {out} was "
                f"not written, don't show the original."
            )
        with _writing(out):
            os.replace(part, out)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return report


def _check_output(path: Path, out: Path) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{out}: the copy's name must end in .mp4, .mov or .mkv; add it.")
    if out.is_dir():
        raise UserError(f"{out} is a folder; give a file name.")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; make it first.")
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"{out} is the video itself; give the copy another name.")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Errors of writing are the person's to put right."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise UserError(f"{out}: the disk is full; free some space or write to another disk.") from None
        raise UserError(f"{out} can't be written ({_reason(error)}); choose another path.") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _write_safe(path: Path | str, out: Path, part: Path, margin: float, progress: bool) -> None:
    limiter = FlashLimiter(margin=margin)
    with _Video(path) as video, bar(video.expected_frames, "writing", "frame", progress) as shown:
        with _writing(out):
            part.touch()
            copy = _Copy(video, out, part)
        try:
            for packet in video.packets():
                if packet.stream.type != "video":
                    with _writing(out):
                        copy.add_sound(packet)
                    continue
                for frame, picture, dt in video.frames(packet):
                    safe = limiter(picture, dt).numpy()
                    with _writing(out):
                        copy.add_picture(safe, frame)
                    shown.update()
            video.check_seen()
            with _writing(out):
                copy.finish()
        finally:
            copy.close()


class _Copy:
    """The file that a safe copy is written to."""

    def __init__(self, video: _Video, out: Path, part: Path):
        self._video, self._out = video, out
        options = {"movflags": "+faststart"} if out.suffix.lower() != ".mkv" else {}
        self._container = av.open(str(part), "w", options=options)
        self._container.metadata.update(
            {k: v for k, v in video.container.metadata.items() if k in ("title", "artist", "comment", "date")}
        )
        self._stream: av.VideoStream | None = None
        self._sound: dict[int, av.AudioStream] = {}
        # Sound is only copied once the picture's size is known: until then it waits here.
        self._waiting: list[av.Packet] = []
        self._offset = max(0, video.container.start_time or 0) / Fraction(av.time_base)

    def _open(self, height: int, width: int) -> av.VideoStream:
        video, source = self._video, self._video.stream
        stream = self._stream = self._container.add_stream("libx264", rate=video.rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "fast", "crf": "16"}
        stream.time_base = video.time_base
        context = stream.codec_context
        context.time_base = video.time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        if source.sample_aspect_ratio:
            context.sample_aspect_ratio = source.sample_aspect_ratio
        for sound in video.container.streams.audio:
            try:
                self._sound[sound.index] = self._container.add_stream_from_template(sound)
            except ValueError:
                raise self._unfit(sound) from None
        try:
            self._container.start_encoding()
        except (av.FFmpegError, ValueError):
            if not self._sound:
                raise
            raise self._unfit(video.container.streams.audio[0]) from None
        for packet in self._waiting:
            self._mux_sound(packet)
        self._waiting.clear()
        return stream

    def _unfit(self, sound: av.AudioStream) -> UserError:
        name = sound.codec_context.name if sound.codec_context else "unknown"
        return UserError(
            f"{self._out}: sound of the kind {name} does not fit into {self._out.suffix}; "
            f"give a name ending in .mkv."
        )

    def add_sound(self, packet: av.Packet) -> None:
        if self._stream is None:
            self._waiting.append(packet)
        else:
            self._mux_sound(packet)

    def _mux_sound(self, packet: av.Packet) -> None:
        if packet.dts is None:
            return
        ticks = round(self._offset / packet.time_base)
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - ticks
        packet.dts -= ticks
        packet.stream = self._sound[packet.stream.index]
        self._container.mux(packet)

    def add_picture(self, picture: np.ndarray, frame: av.VideoFrame) -> None:
        if frame.rotation % 90 == 0:
            picture = np.rot90(picture, frame.rotation // 90)
        height, width = picture.shape[:2]
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        stream = self._open(*picture.shape[:2]) if self._stream is None else self._stream
        safe = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        safe = safe.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        safe.time_base = self._video.time_base
        safe.pts = round((Fraction(self._video.time) - self._offset) / safe.time_base)
        self._container.mux(stream.encode(safe))

    def finish(self) -> None:
        assert self._stream is not None
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Also after an error."""
        with suppress(OSError, av.FFmpegError, ValueError):
            self._container.close()
