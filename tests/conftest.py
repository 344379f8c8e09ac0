"""Small real things that several tests need: sounds, files, the shipped parts."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

# Two threads of two libraries fighting for two cores make every test slower.
os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import av
import numpy as np
import program
import pytest
import torch

# The compiler that comes with a torch for CUDA crashes if it is loaded, as by an optimiser, after Mesa's
# software renderer. No command does both, but the tests share a process.
with suppress(ImportError):
    __import__("triton")

SR = 44100


def write_sound(path, samples, sr=SR, codec=None, layout="stereo", muxing=None, encoding=None):
    """Write float samples [n, channels] with PyAV. muxing, encoding: FFmpeg's options."""
    samples = np.asarray(samples, np.float32)
    suffix = Path(path).suffix
    codec = (
        codec
        or {
            ".wav": "pcm_f32le",
            ".flac": "flac",
            ".ogg": "libopus",
            ".mp3": "libmp3lame",
            ".m4a": "aac",
            ".opus": "libopus",
        }[suffix]
    )
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream = container.add_stream(codec, rate=sr, layout=layout, options=encoding or {})
        resampler = av.AudioResampler(
            stream.format.name, layout, sr, frame_size=stream.codec_context.frame_size or 0
        )
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = sr
        for part in (frame, None):
            for piece in resampler.resample(part):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def melody():
    """Two seconds of stereo sound with something in it."""
    t = np.arange(2 * SR) / SR
    rng = np.random.default_rng(0)
    notes = 2 ** (np.floor(t * 4) % 5 / 5) * 220
    tone = 0.3 * np.sin(2 * np.pi * np.cumsum(notes) / SR)
    beat = 0.3 * rng.standard_normal(len(t)) * np.exp(-30 * (t % 0.25))
    return np.stack([tone + beat, tone - beat], 1).astype(np.float32)


@pytest.fixture(scope="session")
def song(tmp_path_factory, melody):
    """A two-second wav file."""
    return write_sound(tmp_path_factory.mktemp("song") / "song.wav", melody)


@pytest.fixture(scope="session")
def visualizer():
    """Run the command line as a user does; the result has returncode, stdout and stderr."""
    return program.ran


@pytest.fixture(scope="module")
def one_thread():
    """Small pictures are slower on two threads, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def codebook():
    """The shipped names of sounds."""
    from visualizer.audio.codebook import Codebook
    from visualizer.common import assets

    return Codebook.load(assets.model("codebook.safetensors"))


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """Play a score; [n] float32 at 44.1 kHz. Each once."""
    import scores

    if not scores.can_play():
        pytest.skip("FluidSynth is missing (Debian: apt install fluidsynth fluid-soundfont-gm)")
    folder, known = tmp_path_factory.mktemp("scores"), {}

    def play(score):
        if score.name not in known:
            known[score.name] = score.play(folder)
        return known[score.name]

    return play


@pytest.fixture(scope="session")
def generator():
    """The shipped network."""
    from visualizer.common import assets
    from visualizer.neural.generator import Generator

    return Generator.load(assets.model("generator.safetensors"))


@pytest.fixture(scope="session")
def classifier():
    """The shipped one, which knows what pictures show."""
    from visualizer.common import assets
    from visualizer.learning.classifier import Classifier

    return Classifier.load(assets.model("classifier.safetensors"))


@pytest.fixture(scope="session")
def bank():
    """The shipped vectors."""
    from visualizer.common import assets
    from visualizer.latent.bank import Bank

    return Bank.load(assets.model("bank.safetensors"))


@pytest.fixture
def window(monkeypatch):
    """A 320x200 window on nothing."""
    from visualizer.output.display import NoDisplay
    from visualizer.output.window import Window

    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    try:
        opened = Window("test", (320, 200))
    except NoDisplay as error:
        pytest.skip(f"{error} (Debian: apt install libegl1 libgl1 libgl1-mesa-dri)")
    with opened:
        yield opened


@pytest.fixture
def told():
    """What outlets tell people."""
    return []


@pytest.fixture
def outlets(told):
    """For shown frames; closed at the end."""
    from visualizer.output.outlet import Outlets

    made = Outlets(told.append)
    yield made
    made.close()


@pytest.fixture
def nowhere():
    """What runs a command in a network with nothing in it but the loopback."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip (Debian: apt install iproute2)")
    name = f"visualizer-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"network namespaces are not permitted here ({made.stderr.strip()})")
    try:
        for command in ("link set lo up", "link set lo multicast on", "route add 224.0.0.0/4 dev lo"):
            subprocess.run(["ip", "-n", name, *command.split()], check=True)
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture(scope="session")
def tune():
    """The demo tune, [n, 2] float32."""
    from visualizer.audio.demo_tune import demo_tune

    return demo_tune()


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    """A sound server with a virtual card; see pulse.py."""
    from pulse import pulse_server

    from visualizer.audio import portaudio

    with pulse_server(tmp_path_factory.mktemp("pulse")) as server:
        portaudio.look_again()
        yield server


@pytest.fixture(scope="module")
def on_time():
    """Real-time priority for tests that watch the clock."""
    from pulse import punctual

    with punctual():
        yield
