"""Albums: a video, or several sizes of it, of each of many songs."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
from tqdm import tqdm

from visualizer.audio.media import is_address, open_media
from visualizer.audio.song import Song
from visualizer.common.errors import UserError
from visualizer.common.files import DiskFull, reason, shown, write_whole
from visualizer.common.progress import bar
from visualizer.offline import engine, songs
from visualizer.offline.studio import Size, Studio

if TYPE_CHECKING:
    from visualizer.offline.crew import Crew

log = logging.getLogger("visualizer")

# How much of a song's file at either end is looked at, to know it again.
ENDS = 1 << 16
_MARK = re.compile(r"; ([0-9a-f]{12})-([0-9a-f]{12})$")


@dataclass(frozen=True)
class Cut:
    """Which part of each song is heard. start, duration: in seconds. channels: counted from 1; none are
    all."""

    start: float = 0.0
    duration: float | None = None
    channels: tuple[int, ...] = ()

    def of(self, path: Path | str) -> Song:
        """The part of a file. Raises UserError."""
        return Song(path, self.start, self.duration, self.channels)


@dataclass
class Job:
    """The videos of one song. frames: how many each will have, as far as is known."""

    path: str
    videos: dict[Path, Size]
    mark: str = ""
    song: Song | None = None
    frames: int = 0


@dataclass
class Tally:
    """What came of an album. failures: sentences. seconds: of sound that became videos; took: of time."""

    songs: int
    made: int = 0
    videos: int = 0
    there: int = 0
    failures: list[str] = field(default_factory=list)
    damaged: int = 0
    seconds: float = 0.0
    took: float = 0.0

    def __str__(self) -> str:
        parts = ["nothing made"]
        if self.made:
            made = f"{self.made} of {counted(self.songs, 'song')} made into {counted(self.videos, 'video')}"
            parts = [f"{made}, {_clock(self.seconds)} of sound in {_clock(self.took)}"]
        if self.there:
            parts.append(f"{self.there} {'was' if self.there == 1 else 'were'} done before")
        if self.damaged:
            parts.append(f"{self.damaged} {'is' if self.damaged == 1 else 'are'} damaged")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        return "; ".join(parts)


def counted(n: int, thing: str) -> str:
    """So many things, in words: "1 song", "2 songs"."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plan(paths: Sequence[str], folder: Path, sizes: Sequence[Size]) -> list[Job]:
    """A job for each song, its videos named after it; of several sizes each is in its video's name."""
    return [
        Job(path, named(folder / f"{name}.mp4", sizes))
        for path, name in zip(paths, songs.names(paths), strict=True)
    ]


def named(path: Path, sizes: Sequence[Size]) -> dict[Path, Size]:
    """A name for each size of a video; alone it has the path itself."""
    if len(sizes) == 1:
        return {path: sizes[0]}
    return {path.with_name(f"{path.stem}-{w}x{h}{path.suffix}"): (w, h) for w, h in sizes}


def mark_of(path: str, cut: Cut) -> str:
    """12 letters by which a part of a song is known again, whatever its file is called. Raises OSError."""
    digest = hashlib.sha256(repr(cut).encode())
    if is_address(path):
        digest.update(path.encode(errors="surrogateescape"))
    else:
        with open(path, "rb") as file:
            digest.update(file.read(ENDS))
            size = file.seek(0, 2)
            file.seek(max(0, size - ENDS))
            digest.update(file.read() + str(size).encode())
    return digest.hexdigest()[:12]


def is_done(video: Path, size: Size, song: str, look: str) -> bool:
    """Whether a whole video of a song is there, of a size and a look; song, look: their marks.

    Raises UserError if there is something else, that may not be overwritten.
    """
    if not video.exists():
        return False
    try:
        with open_media(video) as container:
            found = _MARK.search(container.metadata.get("comment", ""))
            stream = container.streams.video[0]
            as_wished = (stream.width, stream.height) == size
    except (av.FFmpegError, OSError, ValueError, IndexError):
        found = None
    if found is None or found[1] != song:
        raise UserError(
            f"{video} is there already, and is not of this song; move it, or choose another folder."
        )
    return as_wished and found[2] == look


class Album:
    """Makes the videos of all jobs; one bad song doesn't stop the rest."""

    def __init__(self, jobs: Sequence[Job], studio: Studio, cut: Cut, say: Callable[[str], object]):
        """say: is told what is worth a line."""
        self._jobs, self._studio, self._cut, self._say = jobs, studio, cut, say
        self.tally = Tally(len(jobs))

    def look_through(self) -> list[Job]:
        """The jobs that are to be done; what can be found wrong before is."""
        waiting = []
        for job in self._jobs:
            with self.trying(job):
                job.song = self._cut.of(job.path)
                song = mark_of(job.path, self._cut)
                job.mark = f"; {song}-{self._studio.mark}"
                job.videos = {
                    path: size
                    for path, size in job.videos.items()
                    if not is_done(path, size, song, self._studio.mark)
                }
                job.frames = engine.expected_frames(job.song, self._studio.fps) or 0
                if job.videos:
                    waiting.append(job)
                else:
                    self.tally.there += 1
        return waiting

    @contextmanager
    def trying(self, job: Job) -> Iterator[None]:
        """What goes wrong meanwhile is this song's failure alone, unless the next would fail by it, too."""
        try:
            yield
        except DiskFull:
            raise
        except Exception as error:
            sentence = str(error)
            if not isinstance(error, UserError):
                log.exception("with %s", shown(job.path))
                sentence = f"{shown(job.path)} can't be made a video ({reason(error)}); try another copy."
            self.tally.failures.append(sentence)
            self._say(sentence)

    def note(self, job: Job, report: engine.Report) -> None:
        """A song is done."""
        self.tally.made += 1
        self.tally.videos += len(job.videos)
        self.tally.seconds += report.seconds
        name = shown(job.path)
        if report.damage:
            self.tally.damaged += 1
            self._say(f"{name} is damaged: {'; '.join(report.damage)}; the rest of it became a video.")
        if report.remark:
            self._say(f"{name}: {report.remark}.")
        log.info("%s: %d frames, %.1f s", name, report.frames, report.seconds)

    def make(self, paint: engine.Paint, crew: Crew | None = None, progress: bool = True) -> Tally:
        """All of them, in order, or with a crew those first that it takes whole. Ctrl-C leaves what is whole.

        paint: for what is heard here.
        """
        begun = time.perf_counter()
        waiting = self.look_through()
        whole = [job for job in waiting if crew is not None and crew.takes_whole(job)]
        try:
            with bar(sum(job.frames for job in waiting), "album", "frame", progress) as shown_bar:
                if crew is not None and len(whole) >= crew.size:
                    self._give_away(whole, crew, shown_bar)
                    waiting = [job for job in waiting if job not in whole]
                for job in waiting:
                    self.film(job, paint, shown_bar)
        finally:
            self.tally.took = time.perf_counter() - begun
        return self.tally

    def _give_away(self, jobs: list[Job], crew: Crew, shown_bar: tqdm) -> None:
        def tell(frames: int) -> None:
            shown_bar.n = frames
            shown_bar.refresh()

        for job, result in crew.film(jobs, self._cut, tell):
            with self.trying(job):
                report, files = result()
                for path, data in zip(job.videos, files, strict=True):
                    write_whole(path, data)
                self.note(job, report)

    def film(self, job: Job, paint: engine.Paint, shown_bar: tqdm) -> None:
        """One of them, here."""
        before = shown_bar.n
        shown_bar.set_description(Path(job.path).stem[:30])
        with self.trying(job):
            assert job.song is not None
            how = {"tell": shown_bar.update, "keep_cut": False, "remark": job.mark}
            self.note(job, self._studio.film(job.song, job.videos, paint, **how))
        # What it really was.
        shown_bar.total += shown_bar.n - before - job.frames
