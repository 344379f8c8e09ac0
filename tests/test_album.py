"""Albums: many songs become videos, what is done is left alone, and a bad song doesn't stop the rest."""

import os
import shutil
import signal

import av
import numpy as np
import pytest
from conftest import SR, write_sound
from program import ran, started
from screen import wait_for
from test_cli import SMALL as SMALL_VIDEO
from test_cli import assert_one_sentence, nothing_left, playable

from visualizer.offline import songs
from visualizer.offline.album import Tally

# Which generator draws is not left to how busy the machine is.
SMALL = (*SMALL_VIDEO, "--quality", "light")


def frames(path):
    """[n, h, w, 3] uint8."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


@pytest.fixture(scope="module")
def made(tmp_path_factory, melody):
    """A folder with an album, a list, a bad song, and what came of it in two sizes."""
    folder = tmp_path_factory.mktemp("album")
    for place in ("one", "two/live", "two/.hidden"):
        (folder / place).mkdir(parents=True)
    second = melody[:SR]
    write_sound(folder / "one/intro.wav", second)
    write_sound(folder / "two/intro.flac", second[::-1])
    write_sound(folder / "two/live/10 end.wav", second * 0.5)
    shutil.copy(folder / "one/intro.wav", folder / "two/.hidden/not this.wav")
    (folder / "two/cover.jpg").write_bytes(b"no song")
    (folder / "bad.mp3").write_text("this is not music\n" * 50)
    (folder / "party.m3u8").write_text(
        "#EXTM3U\n#EXTINF:1,Intro\none/intro.wav\nbad.mp3\ntwo\\live\\10 end.wav\n"
    )
    result = ran("render", "party.m3u8", "two", "-o", "videos/new", *SMALL, "--size", "72x128", cwd=folder)
    return folder, result


def test_a_video_of_each_song_in_each_size(made):
    folder, result = made
    assert_one_sentence(result, "1 of 4 songs")
    assert "bad.mp3 is not a sound file" in result.stderr
    assert "3 of 4 songs made into 6 videos, 0:0" in result.stdout and "1 failed" in result.stdout
    expected = {
        f"{name}-{size}.mp4"
        for name in ("one - intro", "two - intro", "10 end")
        for size in ("128x72", "72x128")
    }
    assert nothing_left(folder / "videos/new", *expected)
    for name in expected:
        assert playable(folder / "videos/new" / name)[0] == 10
    assert frames(folder / "videos/new/one - intro-72x128.mp4").shape == (10, 128, 72, 3)


def test_what_is_made_together_is_what_is_made_alone(made, tmp_path):
    folder, _ = made
    result = ran("render", folder / "two/intro.flac", "-o", "clip.mp4", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    together = frames(folder / "videos/new/two - intro-128x72.mp4")
    np.testing.assert_array_equal(frames(tmp_path / "clip.mp4"), together)


def test_what_is_done_is_left_out_and_nothing_else(made, tmp_path):
    folder, _ = made
    for name in ("one", "two"):
        shutil.copytree(folder / name, tmp_path / name)
    album = ("render", "two/intro.flac", "two/live/", "-o", "out/", *SMALL)
    first = ran(*album, cwd=tmp_path)
    assert first.returncode == 0 and "2 of 2 songs made into 2 videos" in first.stdout, first.stderr
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    again = ran(*album, cwd=tmp_path)
    assert again.returncode == 0 and "nothing made; 2 were done before" in again.stdout
    assert times == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    # Another song of that name may not take its place; another look may.
    other = ran("render", "one/intro.wav", "-o", "out/", *SMALL, cwd=tmp_path)
    assert_one_sentence(other, "1 of 1 song;")
    assert "not of this song" in other.stderr
    assert times == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    noir = ran("render", "two/", "-o", "out/", "--preset", "noir", *SMALL, cwd=tmp_path)
    assert noir.returncode == 0 and "2 of 2 songs made into 2 videos" in noir.stdout, noir.stderr
    assert nothing_left(tmp_path / "out", *times)


def test_ctrl_c_leaves_what_is_whole_and_the_same_command_goes_on(tmp_path, melody):
    write_sound(tmp_path / "1.wav", melody[:SR])
    write_sound(tmp_path / "2.wav", np.tile(melody, (60, 1)))
    out = tmp_path / "out"
    with started("render", "1.wav", "2.wav", "-o", "out/", *SMALL, cwd=tmp_path) as process:
        part = out / ".2.mp4.part"
        wait_for(lambda: process.poll() is not None or (part.exists() and part.stat().st_size > 10_000))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (
        process.returncode == 130
        and "1 of 2 songs made into 1 video, " in errors
        and "Traceback" not in errors
    ), errors
    assert nothing_left(out, "1.mp4")


@pytest.mark.parametrize(
    "tally, sentence",
    [
        (Tally(1, 1, 1, seconds=5, took=61), "1 of 1 song made into 1 video, 0:05 of sound in 1:01"),
        (
            Tally(9, 2, 4, 3, ["a", "b"], 2, 3600, 7325),
            "2 of 9 songs made into 4 videos, 1:00:00 of sound in 2:02:05; 3 were done before; "
            "2 are damaged; 2 failed",
        ),
        (
            Tally(2, there=1, failures=["a"], damaged=1),
            "nothing made; 1 was done before; 1 is damaged; 1 failed",
        ),
    ],
)
def test_what_came_of_an_album_in_a_sentence(tally, sentence):
    assert str(tally) == sentence


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("a.wav", "b.wav", "-o", "clip.mp4"), ("2 songs", "folder")),
        (("a.wav", "-", "-o", "out/"), ("standard input",)),
        (("empty", "-o", "out/"), ("empty", "no songs")),
        (("list.m3u", "-o", "out/"), ("list.m3u", "no songs")),
        (("a.wav", "b.wav", "-o", "a.wav/out"), ("a.wav/out", "can't be written")),
        (("a.wav", "-o", "out/", "--size", "127x72"), ("--size 127x72", "128x72")),
    ],
)
def test_what_can_be_wrong_with_an_album(visualizer, tmp_path, song, arguments, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.m3u").write_text("#EXTM3U\n\n")
    for name in ("a.wav", "b.wav"):
        shutil.copy(song, tmp_path / name)
    assert_one_sentence(visualizer("render", *arguments, cwd=tmp_path), *words)
    assert nothing_left(tmp_path, "empty", "list.m3u", "a.wav", "b.wav")


def test_names_of_videos_are_all_different():
    paths = [
        "a/x.mp3",
        "b/x.mp3",
        "b/X.flac",
        "c/y.wav",
        "c/b - X (flac).wav",
        "https://example.org/d/z%20z.ogg?k=1",
    ]
    found = songs.names(paths)
    assert len({name.casefold() for name in found}) == len(paths)
    assert found[0] == "a - x" and found[3] == "y" and found[5] == "z z"


def test_lists_of_all_ages(tmp_path):
    """A byte order mark, another alphabet, addresses, files as addresses, back slashes; songs named twice."""
    for name in ("café.wav", "b b.wav"):
        (tmp_path / name).touch()
    entries = ["café.wav", (tmp_path / "b b.wav").as_uri(), "http://127.0.0.1:9/s.mp3", "café.wav"]
    (tmp_path / "old.m3u").write_bytes("\r\n".join(entries).encode("cp1252"))
    (tmp_path / "new.m3u8").write_bytes("\n".join(entries).encode("utf-8-sig"))
    for name in ("old.m3u", "new.m3u8"):
        found = songs.songs_of([str(tmp_path / name)])
        assert found == [str(tmp_path / "café.wav"), str(tmp_path / "b b.wav"), "http://127.0.0.1:9/s.mp3"]
    (tmp_path / "stream.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\npart1.ts\n")
    assert not songs.is_album(str(tmp_path / "stream.m3u8"))


def test_a_folder_is_in_the_order_in_which_people_count(tmp_path):
    for name in ("10.wav", "2.wav", "1 b.mp3", "1 A.ogg"):
        (tmp_path / name).touch()
    names = [os.path.basename(path) for path in songs.songs_of([str(tmp_path)])]
    assert names == ["1 A.ogg", "1 b.mp3", "2.wav", "10.wav"]
