"""Songs: what comes out of files, good and bad."""

import av
import numpy as np
import pytest
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
