"""A crew of processes makes the videos that one makes, picture for picture, though one of them is killed."""

import os
import signal
from fractions import Fraction

import numpy as np
import pytest
from conftest import SR, write_sound
from program import ran
from screen import wait_for
from test_album import SMALL, frames
from test_cli import assert_one_sentence, nothing_left

from visualizer.audio.song import Recording
from visualizer.common.errors import UserError
from visualizer.offline import album, crew, engine
from visualizer.offline.studio import furnish

# Processes start and take turns: for the clock's sake after the other tests.
pytestmark = pytest.mark.alone

SIZE = (96, 64)
SECONDS = 5


@pytest.fixture(scope="module")
def studio():
    """A small studio, and its painter here. Trails and the limiter remember the frames before."""
    wishes = ("reef", None, None, None, None, None, "light", "cpu", Fraction(30), True)
    studio, painter, _ = furnish(*wishes)
    return studio, painter


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tune):
    """Songs, and their videos as one process makes them."""
    folder = tmp_path_factory.mktemp("cluster")
    for i in range(3):
        write_sound(folder / f"{i}.wav", tune[i * 4 * SR :][: SECONDS * SR])
    return folder


def pids(cluster):
    return {worker.pid for worker in cluster.workers.values()}


def make(folder, out, studio, how, cut=None):
    (folder / out).mkdir()
    jobs = album.plan([str(folder / f"{i}.wav") for i in range(3)], folder / out, [SIZE])
    said = []
    tally = album.Album(jobs, studio, cut or album.Cut(), said.append).make(*how, progress=False)
    return tally, said


def test_the_same_videos_though_a_worker_is_killed(cluster, studio, folder):
    studio, painter = studio
    make(folder, "alone", studio, (engine.painted_by(painter),))

    def killing(frames):
        if frames and not killed:
            worker = next(iter(cluster.workers.values()))
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    killed = []
    with crew.hired(cluster.scheduler_address, studio, print) as hands:
        film = hands.film
        hands.film = lambda jobs, cut, tell: film(jobs, cut, lambda n: (killing(n), tell(n)))
        tally, said = make(folder, "shared", studio, (hands.paint, hands))
    assert killed and not said and tally.videos == 3
    assert nothing_left(folder / "shared", "0.mp4", "1.mp4", "2.mp4")
    for i in range(3):
        one, other = (frames(folder / out / f"{i}.mp4") for out in ("alone", "shared"))
        assert len(one) == 30 * SECONDS
        np.testing.assert_array_equal(one, other)
    wait_for(lambda: len(pids(cluster)) == 2 and killed[0] not in pids(cluster))


def test_a_long_song_in_pieces_has_no_seam(cluster, studio, tune, tmp_path):
    """A worker dies while its pieces are painted; the pictures, the sound and even the bytes are the same."""
    studio, painter = studio
    sound = Recording("tune", tune[: SECONDS * SR])
    studio.film(sound, {tmp_path / "alone.mp4": SIZE}, engine.painted_by(painter))
    seen = []

    def tell(n):
        seen.append(n)
        if sum(seen) == 64:
            os.kill(next(iter(pids(cluster))), signal.SIGKILL)

    with crew.hired(cluster.scheduler_address, studio, print) as hands:
        studio.film(sound, {tmp_path / "parts.mp4": SIZE}, hands.paint, tell=tell)
    assert sum(seen) == 30 * SECONDS
    np.testing.assert_array_equal(frames(tmp_path / "alone.mp4"), frames(tmp_path / "parts.mp4"))


def test_where_no_scheduler_answers(studio, monkeypatch):
    monkeypatch.setattr(crew, "CONNECT_S", 1.0)  # it may be just about to start, so it is tried for a while
    words = r"no scheduler answers at tcp://127\.0\.0\.1:9 .* start one with `dask scheduler`"
    with pytest.raises(UserError, match=words), crew.hired("tcp://127.0.0.1:9", studio[0], print):
        pass


def test_what_is_no_cluster(tmp_path, song):
    arguments = ("render", song, "-o", "clip.mp4", *SMALL, "--cluster")
    for nonsense in ("nonsense", "0"):
        assert_one_sentence(ran(*arguments, nonsense, cwd=tmp_path), f"--cluster {nonsense}", "tcp://")
    assert nothing_left(tmp_path)
