"""Songs: what comes out of files, good and bad."""

import http.server
import os
import subprocess
import threading
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io.wavfile
import scores
from conftest import SR, write_sound

from visualizer.audio.song import Song
from visualizer.common.errors import UserError


def read(path, **part):
    song = Song(path, **part)
    return np.concatenate(list(song)), song


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus"])
def test_every_usual_format(tmp_path, melody, suffix):
    sr = 48000 if suffix in (".opus", ".ogg") else SR  # Opus knows no other
    path = write_sound(tmp_path / f"song{suffix}", melody, sr)
    samples, song = read(path)
    assert samples.shape[1] == 2 and samples.dtype == np.float32
    assert len(samples) == pytest.approx(len(melody) * SR / sr, abs=0.1 * SR)
    assert not song.damage
    assert 0.5 < samples.std() / melody.std() < 1.5


def test_a_wav_is_read_exactly(song, melody):
    np.testing.assert_allclose(read(song)[0], melody, atol=1e-6)


def test_a_part(song, melody):
    samples, _ = read(song, start=0.5, duration=0.75)
    np.testing.assert_allclose(samples, melody[SR // 2 : SR // 2 + SR * 3 // 4], atol=1e-6)


def test_telephone_and_studio_rates(tmp_path):
    rng = np.random.default_rng(0)
    for sr, layout, channels in ((8000, "mono", 1), (192000, "7.1", 8)):
        path = write_sound(
            tmp_path / f"{sr}.wav", 0.1 * rng.standard_normal((sr, channels)), sr, layout=layout
        )
        samples, song = read(path)
        assert len(samples) == pytest.approx(SR, abs=64) and not song.damage
        assert np.isfinite(samples).all() and samples.std() > 0.01


def test_files_joined_into_one_change_their_kind_midway(tmp_path):
    joined = tmp_path / "joined.mp3"
    with joined.open("wb") as file:
        for sr, channels, layout in ((44100, 2, "stereo"), (48000, 1, "mono")):
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr)[:, None].repeat(channels, 1)
            file.write(write_sound(tmp_path / f"{layout}.mp3", tone, sr, layout=layout).read_bytes())
    samples, _ = read(joined)
    assert samples.shape[1] == 2 and len(samples) == pytest.approx(2 * SR, abs=0.15 * SR)
    for half in (samples[SR // 4 : 3 * SR // 4], samples[-3 * SR // 4 : -SR // 4]):
        spectrum = np.abs(np.fft.rfft(half.mean(1)))
        assert spectrum.argmax() * SR / len(half) == pytest.approx(440, abs=4)


def test_the_sound_of_a_video(tmp_path, song):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SR, layout="stereo")
        with av.open(str(song)) as source:
            for frame in source.decode(audio=0):
                container.mux(audio.encode(frame))
        for _ in range(20):
            container.mux(video.encode(av.VideoFrame(64, 64, "rgb24")))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    assert len(read(path)[0]) == pytest.approx(2 * SR, abs=4096)


def test_long_songs_stream(tmp_path):
    path = tmp_path / "long.flac"
    write_sound(path, np.zeros((120 * SR, 2), np.float32))
    longest = max(len(block) for block in Song(path))
    assert longest <= 2 * SR


def test_not_numbers_are_silenced_and_told(tmp_path, melody):
    broken = melody.copy()
    broken[1000:1010, 0] = np.nan
    samples, song = read(write_sound(tmp_path / "nan.wav", broken))
    assert np.isfinite(samples).all()
    assert song.damage == ["10 samples that are not numbers (NaN) were silenced"]


def test_a_tag_that_is_not_utf_8(tmp_path, song, melody):
    title = b"M\xe4dchen\0"
    tags = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    whole = song.read_bytes()
    old = tmp_path / "old.wav"
    old.write_bytes(whole[:12] + b"LIST" + len(tags).to_bytes(4, "little") + tags + whole[12:])
    samples, read_song = read(old)
    np.testing.assert_allclose(samples, melody, atol=1e-6)
    assert not read_song.damage


def test_a_truncated_file_gives_what_it_holds(tmp_path, song, melody):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    samples, damaged = read(cut)
    assert len(samples) == pytest.approx(len(melody) / 2, rel=0.02)
    assert "cut short" in damaged.damage[0]


def test_start_past_the_end(song):
    with pytest.raises(UserError, match=r"2\.0 s long"):
        read(song, start=10)


# FFmpeg's own encoder, which every PyAV has; the length that it writes into a file is wrong.
VORBIS = {"strict": "experimental"}
# What libmp3lame calls V4.
VARIABLE = {"flags": "+qscale", "global_quality": "472"}


def film(path, samples, late=0.0, seconds=6, codec="aac", video="libx264"):
    """Samples [n, 2] that begin late, and pictures for so many seconds."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream(codec, rate=SR if codec == "aac" else 48000, layout="stereo")
        for _ in range(10 * seconds):
            container.mux(pictures.encode(av.VideoFrame(64, 64, "rgb24")))
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SR, round(late * SR), Fraction(1, SR)
        container.mux(pictures.encode(None))
        for part in (frame, None):
            container.mux(sound.encode(part))
    return path


def begins(samples):
    """Seconds until something is heard."""
    return (np.abs(samples).max(1) > 0.02).argmax() / SR


def test_a_length_that_is_only_estimated_is_not_believed(tmp_path):
    """Silence takes few bits, so that what comes first promises a much longer file."""
    sound = np.zeros((12 * SR, 2), np.float32)
    sound[6 * SR :] = 0.2 * np.random.default_rng(0).standard_normal((6 * SR, 2))
    for name, codec, extra in (
        ("vbr.mp3", "libmp3lame", {"write_xing": "0"}),
        ("silence.aac", "aac", {}),
    ):
        path = write_sound(tmp_path / name, sound, codec=codec, muxing=extra, encoding=VARIABLE)
        with av.open(str(path)) as container:
            assert container.duration / av.time_base > 15, "not what this test is about"
        samples, song = read(path)
        assert not song.damage
        assert len(samples) / SR == pytest.approx(song.expected_s, abs=0.06) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("name, video", [("a.mkv", "libx264"), ("a.flv", "flv"), ("a.mp4", "libx264")])
def test_pictures_that_outlast_the_sound(tmp_path, melody, name, video):
    samples, song = read(film(tmp_path / name, melody, video=video))
    assert not song.damage
    assert len(samples) / SR == pytest.approx(2, abs=0.1) and song.expected_s == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_that_begins_late_is_waited_for(tmp_path, melody, name):
    samples, song = read(film(tmp_path / name, melody, late=3.0))
    assert not song.damage
    assert begins(samples) == pytest.approx(3.0, abs=0.06)
    assert len(samples) / SR == pytest.approx(song.expected_s, abs=0.1) == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("channels", [1, 9, 17, 18, 20, 26, 32, 64])
def test_any_number_of_channels(tmp_path, channels):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    sound = np.tile((tone * 32767).astype(np.int16)[:, None], (1, channels))
    scipy.io.wavfile.write(tmp_path / "many.wav", 8000, sound)
    samples, song = read(tmp_path / "many.wav")
    assert len(samples) == pytest.approx(SR, abs=64) and not song.damage
    np.testing.assert_allclose(samples.std(0), tone.std(), rtol=0.02)


@pytest.mark.parametrize("channel, sides", [(0, (1, 0)), (3, (1, 1)), (7, (0, 1))])
def test_each_of_eight_channels_is_heard(tmp_path, channel, sides):
    """The fourth is the bass channel, which FFmpeg leaves out."""
    sound = np.zeros((SR // 2, 8))
    sound[:, channel] = 0.5 * np.sin(np.arange(SR // 2) / 20)
    samples, _ = read(write_sound(tmp_path / "eight.wav", sound, layout="7.1"))
    for heard, expected in zip(samples.std(0), sides):
        assert heard > 0.05 if expected else heard == 0


def test_chosen_channels(tmp_path, melody):
    sound = np.zeros((SR, 6))
    sound[:, 4:] = melody[:SR]
    path = write_sound(tmp_path / "six.wav", sound, layout="5.1")
    np.testing.assert_allclose(read(path, channels=(5, 6))[0], melody[:SR], atol=1e-6)
    np.testing.assert_allclose(read(path, channels=(6,))[0], melody[:SR, [1, 1]], atol=1e-6)
    with pytest.raises(UserError, match="no channel 7; choose --channels from 1 to 6"):
        Song(path, channels=(7,))


@pytest.mark.parametrize("name, codec", [("a.flac", "flac"), ("a.opus", "libopus"), ("a.mp3", "libmp3lame")])
def test_what_is_lost_is_filled_and_told(tmp_path, name, codec):
    """Three thousand bytes of zeros in the middle; before and after, all is where it was."""
    rng = np.random.default_rng(0)
    noise = 0.2 * rng.standard_normal((6 * SR, 2)) * (1 + np.sin(np.arange(6 * SR) / 9000))[:, None]
    path = write_sound(tmp_path / name, noise, 48000 if codec == "libopus" else SR, codec=codec)
    whole, _ = read(path)
    data = bytearray(path.read_bytes())
    data = data[: len(data) // 2] + bytes(3000) + data[len(data) // 2 + 3000 :]
    path.write_bytes(data)
    samples, song = read(path)
    assert "are lost and were filled with silence" in " ".join(song.damage)
    assert len(samples) == pytest.approx(len(whole), abs=0.05 * SR)
    tail = whole[-SR:].mean(1), samples[-SR - SR // 10 :].mean(1)
    shift = np.correlate(tail[1], tail[0], "valid").argmax() - (len(tail[1]) - len(tail[0]))
    assert abs(shift) < (0.05 * SR if codec == "libmp3lame" else 3)


@pytest.mark.skipif(not scores.can_play(), reason="no FluidSynth, or no sounds for it")
def test_a_whole_ogg_of_long_and_short_blocks_is_read_as_it_is(tmp_path):
    midi, path = tmp_path / "drums.mid", tmp_path / "drums.ogg"
    hits = [(0.25 + 0.31 * i, 0.1, scores.ON_DRUMS, pitch, 110) for i in range(20) for pitch in (38, 49)]
    scores.Score("drums", 7.0, hits)._write(midi)
    written = ["-ni", "-q", "-r", "44100", "-T", "oga", "-F"]
    subprocess.run(["fluidsynth", *written, path, scores.SOUNDFONT, midi], check=True, timeout=60)
    with av.open(str(path)) as container:  # as FFmpeg decodes it, one frame after the other
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    assert len({frame.shape[1] for frame in frames}) > 1
    samples, song = read(path)
    assert not song.damage
    np.testing.assert_array_equal(samples, np.concatenate(frames, 1).T)


def test_a_chain_of_ogg_files_of_different_rates(tmp_path, melody):
    first = write_sound(tmp_path / "a.ogg", melody, 44100, codec="vorbis", encoding=VORBIS).read_bytes()
    second = write_sound(tmp_path / "b.ogg", melody, 22050, codec="vorbis", encoding=VORBIS).read_bytes()
    (tmp_path / "chain.ogg").write_bytes(first + second)
    samples, song = read(tmp_path / "chain.ogg")
    assert not song.damage
    assert len(samples) / SR == pytest.approx(2 + 4, abs=0.1)
    assert samples[3 * SR :].std() == pytest.approx(melody.std(), rel=0.2)


def test_a_chain_that_can_not_be_read_says_from_where_on(tmp_path, melody):
    links = [
        write_sound(tmp_path / f"{sr}.ogg", melody, sr, codec="vorbis", encoding=VORBIS)
        for sr in (44100, 22050)
    ]
    with piped(tmp_path / "pipe", b"".join(link.read_bytes() for link in links)) as pipe:
        samples, song = read(pipe)
    assert len(samples) / SR == pytest.approx(2, abs=0.05)
    assert song.damage == ["nothing after 2.0 s could be read"]


@contextmanager
def piped(path, data):
    """A named pipe into which somebody writes."""
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(data), daemon=True)
    writer.start()
    yield path
    writer.join(timeout=10)


def test_a_pipe_is_read_once(tmp_path, song, melody):
    with piped(tmp_path / "pipe", song.read_bytes()) as pipe:
        samples, piped_song = read(pipe)
    np.testing.assert_allclose(samples, melody, atol=1e-6)
    assert not piped_song.damage and piped_song.expected_s is None
    with pytest.raises(UserError, match="only once; save it"):
        list(piped_song)


def test_a_pipe_that_brings_nothing_more_can_be_left(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep_open = os.open(pipe, os.O_RDWR)
    song = write_sound(tmp_path / "telephone.wav", 0.1 * np.ones((20 * 8000, 1)), 8000, layout="mono")
    part = song.read_bytes()[:500_000]
    threading.Thread(target=lambda: os.write(keep_open, part), daemon=True).start()
    stalled = Song(pipe)
    threading.Timer(0.5, stalled.stop).start()
    assert sum(map(len, stalled)) > SR
    os.close(keep_open)


@pytest.mark.parametrize("name", ["a:b.wav", "12:30/y.wav", "concat:x.wav", os.fsdecode(b"M\xe4dchen.wav")])
def test_names(tmp_path, monkeypatch, song, name):
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(song.read_bytes())
    assert len(read(name)[0]) == 2 * SR
    Song(name).name.encode()  # can be shown and written down


def test_addresses(tmp_path, song, melody):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Handler, directory=song.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        np.testing.assert_allclose(read(address + song.name)[0], melody, atol=1e-6)
        with pytest.raises(UserError, match=f"{address}none.wav can't be fetched"):
            Song(address + "none.wav")
        server.shutdown()


def test_a_playlist_calls_nobody(tmp_path):
    """A file on this disk may name addresses; they are not fetched."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        playlist = tmp_path / "list.m3u8"
        playlist.write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n"
            f"http://127.0.0.1:{server.server_port}/song.ts\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(UserError):
            list(Song(playlist))
        server.shutdown()
    assert not asked
