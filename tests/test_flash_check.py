"""Videos with flashes are found and mended: real H.264 files, judged again after decoding."""

import json
from fractions import Fraction

import av
import flash_reference as reference
import numpy as np
import pytest

from visualizer.cli.video import check
from visualizer.common.errors import UserError
from visualizer.offline import flash_fix
from visualizer.offline.flash_check import check_video
from visualizer.offline.flash_fix import fix_video

H, W, FPS = 48, 64, 30
RATE = 44100


pytestmark = pytest.mark.usefixtures("one_thread")


def strobe(hertz, seconds, colours=((0, 0, 0), (255, 255, 255)), h=H, w=W):
    on = np.floor(np.arange(round(seconds * FPS)) / FPS * 2 * hertz + 1e-6).astype(int) % 2
    frames = np.array(colours, np.uint8)[on][:, None, None]
    return np.broadcast_to(frames, (len(on), h, w, 3)).copy()


def calm(seconds, h=H, w=W):
    y, x = np.mgrid[:h, :w]
    t = np.arange(round(seconds * FPS))[:, None, None]
    grey = 120 + 60 * np.sin((x + y) / 9 + t / 40)
    return np.stack([grey, grey * 0.8, 250 - grey], -1).astype(np.uint8)


def tone(seconds):
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def write(path, frames, sound=True, codec="libx264", times=None, pixels="yuv420p", title="", longer=0.0):
    """A video; times are multiples of 1/90 s, and the sound is so many seconds longer."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        video = container.add_stream(codec, rate=FPS)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = pixels
        if codec == "libx264":
            video.options = {"crf": "10", "preset": "veryfast"}
        base = Fraction(1, 90)
        video.codec_context.time_base = base
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = base
            frame.pts = 3 * i if times is None else times[i]
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            samples = tone(len(frames) / FPS + longer)
            for start in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
                block.sample_rate, block.pts = RATE, start
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def read(path):
    """(frames, times) as decoded."""
    with av.open(str(path)) as container:
        pairs = [(f.to_ndarray(format="rgb24"), f.time) for f in container.decode(video=0)]
    return np.stack([p for p, _ in pairs]), np.array([t for _, t in pairs])


def sound_of(path):
    """The bytes and times of the sound's packets."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.dts is not None]
        return [bytes(p) for p in packets], [float(p.pts * p.time_base) for p in packets]


CLIPS = {
    "strobe": (lambda: strobe(7.5, 2), {"general"}),
    "red": (lambda: strobe(6, 2, ((120, 0, 0), (0, 0, 130))), {"red"}),
    "long": (lambda: strobe(2.5, 6.5), {"sustained"}),
    "weak": (lambda: strobe(5, 2, ((100, 100, 100), (150, 150, 150))), {"general"}),
}


@pytest.mark.parametrize("name", CLIPS)
def test_finds_flashes_and_writes_a_copy_without(name, tmp_path):
    make, kinds = CLIPS[name]
    original = write(tmp_path / "in.mp4", make())
    report = check_video(original, progress=False)
    assert not report.safe
    assert {v.kind for v in report.violations} == kinds
    assert {v.kind for v in reference.judge(*read(original))} == kinds

    fixed = tmp_path / "out.mp4"
    report = fix_video(original, fixed, progress=False)
    assert report.safe and report.path == str(fixed)
    assert check_video(fixed, progress=False).safe
    frames, times = read(fixed)
    assert reference.judge(frames, times) == []
    assert reference.judge_mean(frames, times) == []
    assert np.allclose(times, read(original)[1], atol=1e-3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_copy_keeps_sound_size_and_rate(tmp_path):
    original = write(tmp_path / "in.mp4", strobe(10, 2))
    fix_video(original, tmp_path / "out.mp4", progress=False)
    before, after = sound_of(original), sound_of(tmp_path / "out.mp4")
    assert after[0] == before[0]
    assert np.allclose(after[1], before[1], atol=1e-3)
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert (video.height, video.width, video.average_rate) == (H, W, FPS)
        assert video.codec_context.name == "h264" and video.codec_context.pix_fmt == "yuv420p"
        context = video.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert container.streams.audio[0].codec_context.name == "aac"
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_calm_video_passes_and_its_copy_looks_alike(tmp_path):
    original = write(tmp_path / "in.mp4", calm(2))
    report = check_video(original, progress=False)
    assert report.safe and report.frames == 60 and report.seconds == pytest.approx(2)
    assert "PASS" in str(report)
    fix_video(original, tmp_path / "out.mp4", progress=False)
    before, after = read(original)[0].astype(int), read(tmp_path / "out.mp4")[0]
    assert np.abs(before - after).mean() < 2.5


def test_report_tells_when_and_how_much(tmp_path):
    frames = np.concatenate([calm(2), strobe(7.5, 1), calm(3)])
    report = check_video(write(tmp_path / "in.mp4", frames), progress=False)
    assert [v.kind for v in report.violations] == ["general"]
    violation = report.violations[0]
    assert 1 < violation.start <= 2 and 2.4 < violation.end < 4.1
    assert violation.area == pytest.approx(1)
    assert report.flashes > 3
    told = json.loads(json.dumps(report.to_dict()))
    assert told["verdict"] == "fail" and told["frames"] == 180 and len(told["violations"]) == 1
    assert set(told["violations"][0]) == {"kind", "start", "end", "area"}
    lines = str(report).splitlines()
    assert "FAIL" in lines[0] and "0:0" in lines[1] and len(lines) == 2


def test_uneven_times_odd_size_and_no_sound(tmp_path):
    frames = strobe(7.5, 2, h=47, w=65)
    times = np.cumsum(np.random.default_rng(0).integers(1, 6, len(frames)))
    original = write(tmp_path / "in.mkv", frames, sound=False, codec="ffv1", times=times, pixels="bgr0")
    assert not check_video(original, progress=False).safe
    report = fix_video(original, tmp_path / "out.mp4", progress=False)
    assert report.safe
    after, shown = read(tmp_path / "out.mp4")
    assert after.shape[1:3] == (48, 66)
    assert np.allclose(np.diff(shown), np.diff(read(original)[1]), atol=2e-3)


def test_a_title_that_is_not_utf_8(tmp_path):
    clip = write(tmp_path / "clip.mp4", calm(1), title="M-dchen")
    clip.write_bytes(clip.read_bytes().replace(b"M-dchen", b"M\xe4dchen"))
    assert fix_video(clip, tmp_path / "copy.mp4", progress=False).safe


def test_a_file_cut_short_is_checked_as_far_as_it_goes(tmp_path):
    whole = write(tmp_path / "in.mkv", strobe(7.5, 4)).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    report = check_video(cut, progress=False)
    assert 20 < report.frames < 120 and not report.safe
    assert len(report.damage) == 1 and "of 4.0 s" in report.damage[0]


def test_what_could_not_be_read_is_told_with_the_verdict(tmp_path, capsys):
    whole = write(tmp_path / "whole.mkv", calm(4))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert not check_video(whole, progress=False).damage
    with pytest.raises(UserError, match=r"is damaged: it ends after .* of 4.0 s; only what could be read"):
        check.callback(cut, False, None)
    told = capsys.readouterr().out
    assert "PASS" in told and "not all could be read" in told


def test_intact_videos_of_unusual_times_are_not_called_damaged(tmp_path):
    slides = np.repeat(calm(1)[:1], 20, 0)
    slow = write(tmp_path / "slow.mkv", slides, times=[90 * i for i in range(20)])
    late = write(tmp_path / "late.mp4", slides, times=[0] + [90 * i + 900 for i in range(19)])
    sound = write(tmp_path / "sound.mkv", slides[:2], times=[0, 30], longer=4)
    for path in (slow, late, sound):
        assert not check_video(path, progress=False).damage, path.name


def sound_only(folder):
    path = folder / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        block = av.AudioFrame.from_ndarray(tone(0.02)[None], "fltp", "mono")
        block.sample_rate = RATE
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def text(folder):
    path = folder / "notes.mp4"
    path.write_text("no video at all\n" * 100)
    return path


def empty(folder):
    path = folder / "empty.mp4"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing.mp4", "no such file"),
        (lambda folder: folder, "is a folder"),
        (text, "not a video"),
        (empty, "not a video"),
        (sound_only, "holds no video"),
    ],
)
def test_says_what_is_wrong_with_the_video(make, words, tmp_path):
    for job in (check_video, lambda *a, **k: fix_video(*a, tmp_path / "out.mp4", **k)):
        with pytest.raises(UserError, match=words) as error:
            job(make(tmp_path), progress=False)
        assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.avi", "must end in"),
        ("out", "must end in"),
        ("nowhere/out.mp4", "no folder"),
        ("folder.mp4", "is a folder"),
        ("in.mp4", "the video itself"),
    ],
)
def test_says_what_is_wrong_with_the_copy(name, words, tmp_path):
    original = write(tmp_path / "in.mp4", strobe(10, 0.5))
    (tmp_path / "folder.mp4").mkdir()
    data = original.read_bytes()
    with pytest.raises(UserError, match=words):
        fix_video(original, tmp_path / name, progress=False)
    assert original.read_bytes() == data
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.mp4", "in.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_leaves_nothing_behind_when_interrupted(error, tmp_path, monkeypatch):
    original = write(tmp_path / "in.mp4", strobe(10, 1))
    (tmp_path / "out.mp4").write_bytes(b"older")
    seen = []

    def interrupt(self, *_):
        seen.append(1)
        if len(seen) == 20:
            raise error

    monkeypatch.setattr(flash_fix._Copy, "add_sound", interrupt)
    with pytest.raises((KeyboardInterrupt, UserError)) as raised:
        fix_video(original, tmp_path / "out.mp4", progress=False)
    assert raised.type is KeyboardInterrupt or "disk is full" in str(raised.value)
    assert (tmp_path / "out.mp4").read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_tries_again_with_more_margin(tmp_path, monkeypatch):
    original = write(tmp_path / "in.mp4", strobe(7.5, 2))
    margins = []
    limiter = flash_fix.FlashLimiter

    def careless_first(margin):
        margins.append(margin)
        return limiter(enabled=len(margins) > 1, margin=margin)

    monkeypatch.setattr(flash_fix, "FlashLimiter", careless_first)
    assert fix_video(original, tmp_path / "out.mp4", progress=False).safe
    assert margins == list(flash_fix.MARGINS[:2])


def test_a_copy_that_stays_unsafe_is_not_left_behind(tmp_path, monkeypatch):
    original = write(tmp_path / "in.mp4", strobe(7.5, 2))
    (tmp_path / "out.mp4").write_bytes(b"older")
    limiter = flash_fix.FlashLimiter
    monkeypatch.setattr(flash_fix, "FlashLimiter", lambda margin: limiter(enabled=False))
    with pytest.raises(UserError, match="not written"):
        fix_video(original, tmp_path / "out.mp4", progress=False)
    assert (tmp_path / "out.mp4").read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_the_command(visualizer, tmp_path):
    """Exit code 1 for a video that fails, 0 for its repaired copy, 2 for what is no video."""
    path = tmp_path / "strobe.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(60):
            picture = np.full((64, 64, 3), 255 * (i // 3 % 2), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    failed = visualizer("check", path, "--json", cwd=tmp_path)
    assert failed.returncode == 1, failed.stderr
    assert json.loads(failed.stdout)["verdict"] == "fail"
    fixed = visualizer("check", path, "--fix", "safe.mp4", cwd=tmp_path)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert visualizer("check", "safe.mp4", cwd=tmp_path).returncode == 0
    (tmp_path / "text.mp4").write_text("no video")
    wrong = visualizer("check", "text.mp4", cwd=tmp_path)
    assert wrong.returncode == 2 and "text.mp4" in wrong.stderr and "Traceback" not in wrong.stderr
