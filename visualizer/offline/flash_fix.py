"""Writing safe copies of video files that flash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace

from visualizer.audio.media import is_pipe, title
from visualizer.common.errors import UserError
from visualizer.common.files import unwritable
from visualizer.common.progress import bar
from visualizer.offline.flash_check import Report, check_video
from visualizer.offline.video_reader import VideoReader
from visualizer.output.film import tag_colours
from visualizer.picture.flash.limiter import FILE_MARGIN, FlashLimiter

# Each next one is tried if, after compression, the copy still breaks the rule.
MARGINS = (FILE_MARGIN, 0.3, 0.5)
SUFFIXES = (".mp4", ".mov", ".mkv")


def fix_video(path: Path | str, out: Path | str, progress: bool = True) -> Report:
    """Write a copy of a video, with its sound, in which the limiter has held back dangerous flashes.

    H.264 of the same times, rate and size (odd sizes grow by a pixel); sound is copied as it is.
    The copy is checked, and made again with more margin if compression has brought flashes back.
    It appears under its name only when it is complete and safe. Returns the report on the copy.
    Raises UserError if the video can't be read, or the copy can't be written or made safe.
    """
    out = Path(out)
    if is_pipe(path):
        raise UserError(f"{title(path)} is read twice to make a safe copy; save it to a file first.")
    _check_output(Path(path), out)
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        for margin in MARGINS:
            damage = _write_safe(path, out, part, margin, progress)
            report = check_video(part, progress)
            report.path, report.damage = str(out), damage
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
        raise unwritable(out, error) from None


def _write_safe(path: Path | str, out: Path, part: Path, margin: float, progress: bool) -> list[str]:
    """Returns what of the original could not be read."""
    limiter = FlashLimiter(margin=margin)
    with VideoReader(path) as video, bar(video.expected_frames, "writing", "frame", progress) as shown:
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
        return video.damage


class _Copy:
    """The file that a safe copy is written to."""

    def __init__(self, video: VideoReader, out: Path, part: Path):
        self._video, self._out = video, out
        options = {"movflags": "+faststart"} if out.suffix.lower() != ".mkv" else {}
        self._container = av.open(os.path.abspath(part), "w", options=options)
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
        tag_colours(context)
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
