"""To other programs: NDI from end to end in a network that leads nowhere, the rest as far as it goes here."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from program import ENVIRONMENT

from visualizer.common import extras
from visualizer.common.errors import UserError
from visualizer.output import senders
from visualizer.output.senders import camera, sender

RECEIVER = """
import json, sys, time
import numpy as np
from visualizer.output.outlet import Outlets
from visualizer.output import senders
from cyndilib.finder import Finder
from cyndilib.receiver import ReceiveFrameType, Receiver
from cyndilib.audio_frame import AudioRecvFrame
from cyndilib.video_frame import VideoRecvFrame
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat

words = []
outlets = Outlets(words.append)
outlet = outlets.add(senders.of("ndi")((320, 180)))
finder = Finder()
finder.open()
end = time.monotonic() + 30
while not finder.get_source_names() and time.monotonic() < end:
    finder.wait_for_sources(1)
names = finder.get_source_names()
receiver = Receiver(color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest)
picture, sound = VideoRecvFrame(), AudioRecvFrame()
receiver.set_video_frame(picture)
receiver.set_audio_frame(sound)
receiver.set_source(finder.get_source(names[0]))
import torch
squares = np.zeros((90, 160, 3), np.uint8)
squares[:45, :80], squares[45:, 80:] = (255, 0, 0), (0, 0, 255)
frame = torch.from_numpy(squares)
seen, heard = None, [0.0]
block = np.stack([np.full(735, 0.5), np.full(735, -0.25)], 1).astype(np.float32)
while (seen is None or not any(heard)) and time.monotonic() < end:
    outlets.show(frame, time.perf_counter())
    outlets.hear(block, time.perf_counter(), 44100)
    if not receiver.is_connected():
        continue
    if receiver.receive(ReceiveFrameType.recv_video, 20) == ReceiveFrameType.recv_video:
        pixels = np.frombuffer(picture, np.uint8).reshape(180, 320, 4)
        seen = [pixels[y, x, :3].tolist() for y, x in ((40, 70), (40, 250), (140, 250))]
    if receiver.receive(ReceiveFrameType.recv_audio, 20) == ReceiveFrameType.recv_audio:
        heard = sound.get_all_read_data()[0][:, -1].tolist()
outlets.close()
print(json.dumps([names, seen, heard, words, outlet.shown]))
"""


def test_ndi_from_end_to_end(nowhere, tmp_path):
    pytest.importorskip("cyndilib")
    # Without a service for multicast, NDI asks those machines that it is told of.
    (tmp_path / "ndi-config.v1.json").write_text(json.dumps({"ndi": {"networks": {"ips": "127.0.0.1"}}}))
    environment = {**ENVIRONMENT, "NDI_CONFIG_DIR": str(tmp_path)}
    run = subprocess.run(
        [*nowhere, sys.executable, "-c", RECEIVER],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert run.returncode == 0, run.stderr
    names, seen, heard, words, shown = json.loads(run.stdout.splitlines()[-1])
    assert len(names) == 1 and names[0].endswith("(visualizer)")
    assert np.abs(np.subtract(seen, [(255, 0, 0), (0, 0, 0), (0, 0, 255)])).max() < 24  # it is compressed
    assert heard == pytest.approx([0.5, -0.25], abs=0.01) and not words and shown > 0


class Kept(sender.Sender):
    """Keeps what it would send."""

    module = "sys"

    def send(self, pixels, when):
        self.sent = pixels


@pytest.mark.parametrize("shape", [(248, 441), (300, 200), (100, 600)])
def test_frames_are_enlarged_never_distorted(shape):
    h, w = shape
    y, x = np.mgrid[:h, :w] + 0.5
    disc = np.where(np.hypot(x - w / 2, y - h / 2) < 0.15 * min(shape), 255, 0).astype(np.uint8)
    kept = Kept((641, 361))
    kept.show(np.stack([disc] * 3, -1), 0.0)
    assert kept.sent.shape == (360, 640, 4)
    round_ = kept.sent[..., 1] > 127
    high, wide = np.ptp(np.flatnonzero(round_.any(1))), np.ptp(np.flatnonzero(round_.any(0)))
    assert wide == pytest.approx(high, abs=4)
    assert np.flatnonzero(round_.any(1)).mean() == pytest.approx(179.5, abs=1.5)


def test_colours_come_out_as_they_went_in():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (6, 10, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    kept = Kept((320, 192))
    kept.show(picture, 0.0)
    truth = np.asarray(Image.fromarray(picture).resize((320, 192), Image.Resampling.NEAREST), int)
    assert np.abs(kept.sent[..., :3] - truth)[16::32, 16::32].max() <= 2


@pytest.mark.parametrize("kind, system", [("spout", "Windows"), ("syphon", "macOS")])
def test_what_other_systems_have_is_told(kind, system):
    if {"Windows": "win32", "macOS": "darwin"}[system] == sys.platform:
        pytest.skip("it is there")
    with pytest.raises(UserError, match=f"is of {system} alone; elsewhere use --send ndi"):
        senders.of(kind)((64, 36))


def test_without_a_camera_or_a_package_there_is_a_way_out(monkeypatch):
    pytest.importorskip("pyvirtualcam")
    if sys.platform != "linux" or not camera.Sender.lacks():
        pytest.skip("there is a virtual camera")
    made = senders.of("camera")((64, 36))
    with pytest.raises(UserError, match=r"there is no virtual camera .*; load its driver with sudo modprobe"):
        made.open()
    made.close()

    def none(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", none)
    with pytest.raises(UserError, match=r"--send camera needs .* pip install 'visualizer\[camera\]'"):
        camera.Sender((64, 36))
    assert "visualizer[camera]" in camera.Sender.lacks()


def test_the_list_of_devices_has_them():
    from visualizer.cli.listing import _programs

    rows = _programs()
    assert [row.split()[0] for row in rows[1:]] == list(senders.KINDS)
    assert all(row.rstrip().endswith(("ready", ".")) for row in rows[1:])
