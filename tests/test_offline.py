"""The offline engine: deterministic, in sync, and sure of its parts."""

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import SR, write_sound

from visualizer.audio.listener import Listener
from visualizer.audio.song import Recording, Song, mono
from visualizer.common import assets
from visualizer.neural.generator import Generator
from visualizer.neural.inference import choose_device, make_painter
from visualizer.offline import engine as offline


@pytest.fixture(scope="module")
def painter():
    return make_painter(Generator.load(assets.model("generator.safetensors")), choose_device("cpu"))


def render(sound, path, painter, preset="garden", seed=None, size=(256, 256), fps=30):
    look, codebook, motion = offline.open_parts(preset, seed=seed)
    paint = offline.painted_by(painter)
    return offline.render(sound, {path: size}, look, motion, codebook, paint, Fraction(fps))


def decode(path):
    """Frames [n, h, w, 3] uint8 and their times in seconds."""
    with av.open(str(path)) as container:
        frames = [(f.to_ndarray(format="rgb24"), f.time) for f in container.decode(video=0)]
    return np.stack([f for f, _ in frames]), np.array([t for _, t in frames])


def test_same_input_same_bytes(tmp_path, song, painter):
    digests = []
    for name in ("a.mp4", "b.mp4"):
        render(Song(song), tmp_path / name, painter)
        digests.append(hashlib.sha256(decode(tmp_path / name)[0].tobytes()).hexdigest())
    assert digests[0] == digests[1]


def test_another_seed_is_another_video(tmp_path, song, painter):
    render(Song(song), tmp_path / "a.mp4", painter, seed=1)
    render(Song(song), tmp_path / "b.mp4", painter, seed=2)
    assert np.abs(decode(tmp_path / "a.mp4")[0] - decode(tmp_path / "b.mp4")[0].astype(float)).mean() > 5


def test_presets_look_different(tmp_path, song, painter):
    stills = []
    for name in ("garden", "creatures", "machines"):
        render(Song(song), tmp_path / f"{name}.mp4", painter, preset=name)
        stills.append(decode(tmp_path / f"{name}.mp4")[0].astype(float))
    for i in range(3):
        assert np.abs(stills[i] - stills[i - 1]).mean() > 10


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_the_picture_moves_with_the_click(tmp_path, painter, fps):
    """In the finished file, after decoding, the first change lies within a frame of the click."""
    clicks = 1.0 + 0.7 * np.arange(4)
    samples = np.zeros((4 * SR, 2), np.float32)
    rng = np.random.default_rng(0)
    for i, click in enumerate(clicks):
        burst = rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
        spectrum = np.fft.rfft(burst)
        spectrum[: 20 * i] = 0  # each click sounds different, so that each calls another picture
        samples[round(click * SR) :][:2000] += 0.5 * np.fft.irfft(spectrum, 2000)[:, None].astype(np.float32)
    write_sound(tmp_path / "clicks.wav", samples)
    (tmp_path / "quick.toml").write_text(
        'title = "Quick"\n[mapping]\nkind = "random"\n'
        "[particle]\nresponse_ms = 120\nbounce = 0\nhold_ms = 300\n"
    )
    render(
        Song(tmp_path / "clicks.wav"), tmp_path / "clip.mp4", painter, str(tmp_path / "quick.toml"), fps=fps
    )

    frames, times = decode(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    for click in clicks:
        loud = np.abs(heard[round((click - 0.3) * SR) :]) > 0.05
        sound = click - 0.3 + loud.argmax() / SR
        near = np.nonzero((times[1:] > click - 0.12) & (times[1:] < click + 0.3))[0]
        # The encoder touches up still pictures a little; movement is a twentieth of the leap or more.
        moved = times[1:][near[change[near] > 0.05 * change[near].max()][0]]
        assert abs(moved - sound) <= 1 / fps + 1e-3, f"click at {sound:.3f} s, picture at {moved:.3f} s"


def test_blocks_and_frame_rates_do_not_change_the_path(melody):
    """The particle's path is the sound's alone, however it is fed and however often it is looked at."""
    paths = []
    for block, fps in ((512, 30), (4096, 60), (777, 120)):
        _, codebook, motion = offline.open_parts("garden")
        listener, clock = Listener(codebook), offline.Clock(motion, Fraction(fps))
        shots = []
        for start in range(0, len(melody), block):
            for event in listener.push(mono(melody[start : start + block])):
                shots.extend(clock.hear(event))
        shots.extend(clock.run_to(2.0))
        paths.append(np.array([np.concatenate(shot.code) for shot in shots])[:: fps // 30])
    for path in paths[1:]:
        np.testing.assert_allclose(path, paths[0], atol=1e-4)


def test_memory_does_not_grow_with_the_song(tmp_path, painter):
    """Blocks are drawn as they come: a sound that counts what was asked of it is never far ahead."""

    class Counting(Recording):
        ahead = 0

        def __iter__(self):
            for i, block in enumerate(super().__iter__()):
                self.ahead = max(self.ahead, i * 4096 / SR - drawn[0] / 10)
                yield block

    drawn = [0]

    def counting_painter(shape, matter):
        drawn[0] += len(shape)
        return painter(shape, matter)

    sound = Counting("noise", np.random.default_rng(0).standard_normal((20 * SR, 2)).astype(np.float32) * 0.1)
    render(sound, tmp_path / "clip.mp4", counting_painter, size=(64, 64), fps=10)
    assert drawn[0] == 200
    assert sound.ahead < 2.0


def test_silence_is_calm(tmp_path, painter):
    render(Recording("silence", np.zeros((SR, 2), np.float32)), tmp_path / "clip.mp4", painter)
    frames, _ = decode(tmp_path / "clip.mp4")
    assert np.abs(np.diff(frames.astype(int), axis=0)).mean() < 0.5


def test_the_file_is_what_players_expect(tmp_path, song, painter):
    render(Song(song), tmp_path / "clip.mp4", painter, size=(320, 180))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        video, audio = container.streams.video[0].codec_context, container.streams.audio[0].codec_context
        assert (video.name, video.format.name, video.width, video.height) == ("h264", "yuv420p", 320, 180)
        assert container.streams.video[0].average_rate == 30
        assert video.colorspace == video.color_primaries == video.color_trc == 1  # BT.709
        assert audio.name.startswith("aac") and audio.sample_rate == SR
        assert float(container.duration / av.time_base) == pytest.approx(2, abs=0.1)
    head = (tmp_path / "clip.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat"), "a browser needs the index first"


@pytest.mark.parametrize("fps, seconds", [(1, 8), (24, 2)])
def test_the_sound_is_whole(tmp_path, painter, fps, seconds):
    """Also where the frames are a multiple of the painter's batch."""
    click = np.zeros((seconds * SR, 2), np.float32)
    click[-2000:-1000] = 0.5
    render(Recording("click", click), tmp_path / "clip.mp4", painter, size=(64, 64), fps=fps)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(heard) >= seconds * SR
    assert (np.abs(heard) > 0.2).argmax() == pytest.approx(len(click) - 2000, abs=64)


def test_opposite_phase_is_followed(tmp_path, painter, tune):
    left = tune[: 3 * SR, 0]
    sound = Recording("opposite", np.stack([left, -left], 1))
    report = render(sound, tmp_path / "clip.mp4", painter, size=(64, 64), fps=10)
    assert np.mean(np.array(report.clusters) >= 0) > 0.9
    assert "channel 1 alone" in report.remark
