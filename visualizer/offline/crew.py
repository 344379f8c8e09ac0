"""A crew: processes of this machine or of many that make videos together, by dask.distributed.

Short songs are given away whole. A long one is heard here, and only its pictures are drawn elsewhere, from
batches of codes; what has a memory (effects, the flash limiter, the encoder) gets them here, in order. So
there is no seam, and the video is the same as on one machine of that kind.
"""

from __future__ import annotations

import logging
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlparse

import numpy as np

from visualizer import __version__
from visualizer.audio.media import is_address
from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.common.files import reason
from visualizer.offline import engine, hand
from visualizer.offline.album import Cut, Job
from visualizer.offline.studio import Studio

# So many batches are drawn in one go, and so many goes are waited for, for each process.
BATCHES, AHEAD = 8, 2
# Longer songs are parted.
LONG_S = 600.0
PATIENCE_S, CONNECT_S = 0.5, 20.0
GONE = "the cluster is gone ({}); see that its scheduler runs, and give the same command again to go on."


class Crew:
    """A connected cluster, with a studio that its processes share."""

    def __init__(self, client: Any, studio: Studio, say: Callable[[str], object]):
        """client: a `distributed.Client` of processes that are there."""
        self._client, self._say = client, say
        self._studio = client.submit(hand.keep, studio, pure=False)
        hosts = Counter(urlparse(address).hostname for address in client.nthreads())
        self._sharing = max(hosts.values())
        self._alone = False

    @property
    def size(self) -> int:
        """How many processes there are now; 1 if they are all away."""
        return max(1, len(self._client.nthreads()))

    def takes_whole(self, job: Job) -> bool:
        """Whether a song is best given away as one piece."""
        assert job.song is not None
        seconds = job.song.expected_s
        return not is_address(job.path) and seconds is not None and seconds <= LONG_S

    def paint(
        self, takes: Iterable[engine.Take], report: engine.Report
    ) -> Iterator[tuple[engine.Take, np.ndarray]]:
        """Every take with its pictures, in order, drawn by all of the crew at once; an `engine.Paint`."""
        waiting: deque[tuple[list[engine.Take], Any]] = deque()
        source = iter(takes)
        more = True
        while more or waiting:
            while more and len(waiting) < AHEAD * self.size:
                some = list(islice(source, BATCHES))
                more = len(some) == BATCHES
                codes = [engine.batched(take) for take in some if take.shots]
                waiting.append(
                    (some, self._client.submit(hand.paint, self._studio, self._sharing, codes, pure=False))
                )
            some, future = waiting.popleft()
            with report.timing("generator"):
                pictures = iter(self._result(future))
            for take in some:
                yield take, next(pictures)[: len(take.shots)] if take.shots else engine.no_pictures()

    def film(
        self, jobs: Sequence[Job], cut: Cut, progress: Callable[[int], object]
    ) -> Iterator[tuple[Job, Callable[[], tuple[engine.Report, list[bytes]]]]]:
        """Each song whole, by one of the crew; yields jobs as they end, and what gives their videos, as
        files are written, or raises what went wrong. progress: is told how many frames are done in all."""
        import distributed

        topic = f"visualizer-{uuid.uuid4()}"
        queue = deque(jobs)
        running: dict[Any, Job] = {}
        reached: dict[str, int] = {}
        done = 0

        def hear(event: tuple[float, tuple[str, int]]) -> None:
            key, frames = event[1]
            reached[key] = frames

        self._client.subscribe_topic(topic, hear)
        try:
            while queue or running:
                while queue and len(running) < AHEAD * self.size:
                    job = queue.popleft()
                    running[self._give(job, cut, topic)] = job
                try:
                    ended = distributed.wait(list(running), PATIENCE_S, "FIRST_COMPLETED").done
                except TimeoutError:
                    ended = set()
                    self._see_to_it()
                for future in ended:
                    job = running.pop(future)
                    reached.pop(future.key, None)
                    done += job.frames
                    yield job, partial(self._result, future)
                progress(done + sum(reached.get(future.key, 0) for future in running))
        finally:
            self._client.unsubscribe_topic(topic)
            self._client.cancel(list(running))

    def _give(self, job: Job, cut: Cut, topic: str) -> Any:
        with open(job.path, "rb") as file:
            song = file.read()
        sizes = list(job.videos.values())
        return self._client.submit(
            hand.film, self._studio, self._sharing, song, job.path, sizes, cut, job.mark, topic, pure=False
        )

    def _result(self, future: Any) -> Any:
        """What a task brings. Raises what it raised, and UserError when it can't be had."""
        from distributed import KilledWorker

        while True:
            try:
                return future.result(timeout=20 * PATIENCE_S)
            except TimeoutError:
                self._see_to_it()
            except KilledWorker:
                raise UserError(
                    "several processes of the cluster died of the same piece; see whether they have memory "
                    "enough, and what their logs say."
                ) from None
            except (CancelledError, OSError) as error:
                if isinstance(error, OSError) and future.status == "error":
                    raise
                raise UserError(GONE.format(reason(error))) from None

    def _see_to_it(self) -> None:
        """Say so if nobody works."""
        alone = not self._client.nthreads()
        if alone and not self._alone:
            self._say("the cluster has no workers now; waiting for one.")
        self._alone = alone


@contextmanager
def hired(where: str, studio: Studio, say: Callable[[str], object]) -> Iterator[Crew]:
    """A crew while it is needed.

    where: the address of a scheduler, tcp://… or tls://…, or a number: so many processes of this machine.
    Raises UserError if it isn't there, or its processes have another version of this program.
    """
    if not (is_address(where) or (where.isdecimal() and int(where))):
        raise UserError(
            f"--cluster {where} is no cluster; give the address of its scheduler, like "
            f"tcp://192.168.1.20:8786, or how many processes of this machine."
        )
    distributed = wanted("distributed", "distributed", "--cluster", "cluster")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "Sending large graph")  # songs and weights are large
    with ExitStack() as opened:
        if where.isdecimal():
            cluster = distributed.LocalCluster(
                n_workers=int(where),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                worker_dashboard_address=None,
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
            client = opened.enter_context(distributed.Client(opened.enter_context(cluster)))
        else:
            try:
                client = opened.enter_context(distributed.Client(where, timeout=CONNECT_S))
            except (OSError, TimeoutError, ValueError, RuntimeError) as error:
                raise UserError(
                    f"no scheduler answers at {where} ({reason(error)}); start one with `dask scheduler`, "
                    f"and `dask worker {where} --nthreads 1` on each machine."
                ) from None
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
            versions = set(client.run(hand.version).values())
        except TimeoutError:
            raise UserError(
                f"the cluster has no workers; start some: `dask worker {where} --nthreads 1`."
            ) from None
        except ImportError as error:
            raise UserError(
                f"the cluster's workers can't run this program ({error}); install visualizer "
                f"{__version__} there."
            ) from None
        if versions != {__version__}:
            found = ", ".join(sorted(versions))
            raise UserError(
                f"the cluster's workers have version {found}, this is {__version__}; make them one."
            )
        yield Crew(client, studio, say)
