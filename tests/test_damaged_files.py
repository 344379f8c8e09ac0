"""Files that are not as they were saved: told in one sentence, whatever is wrong with them."""

import json
import struct
from fractions import Fraction

import numpy as np
import pytest
from conftest import write_sound
from safetensors.numpy import load_file, save_file
from test_cli import playable

from visualizer.audio.codebook import Codebook
from visualizer.audio.song import Song
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.latent.poses import Poses
from visualizer.learning.finding.skeletons import of_poses
from visualizer.output.video import VideoWriter


def rewritten(source, target, change, **tensors):
    """A copy of a safetensors file after `change` of its metadata, and with other tensors."""
    data = source.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    change(metadata)
    save_file({**load_file(source), **tensors}, target, metadata)
    return target


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A small one."""
    path = tmp_path_factory.mktemp("bank") / "bank.safetensors"
    Bank.load(assets.model("bank.safetensors")).take(np.arange(6)).save(path)
    return path


@pytest.mark.parametrize(
    "change, tensors, words",
    [
        (lambda m: m.pop("labels"), {}, "1 vectors"),
        (lambda m: m.update(labels="a\nb"), {}, "2 vectors"),
        (lambda m: None, {"judged": np.zeros(5, np.float16)}, "judged"),
        (lambda m: None, {"codes": np.zeros((6, 8, 8), np.float16)}, "codes"),
        (lambda m: None, {"codes": np.full((6, 4096), np.nan, np.float16)}, "codes hold what is no number"),
    ],
)
def test_banks(bank, tmp_path, change, tensors, words):
    path = rewritten(bank, tmp_path / "bad.safetensors", change, **tensors)
    with pytest.raises(UserError, match=f"bad.safetensors is no whole bank .*{words}"):
        Bank.load(path)


@pytest.mark.parametrize(
    "change, tensors, words",
    [
        (lambda m: m.pop("pictures"), {}, "are not of 1 people"),
        (lambda m: None, {"space": np.zeros((6, 33, 2), np.float16)}, "space are not of 6 people"),
        (lambda m: None, {"visibility": np.zeros((6, 12), np.float16)}, "visibility are not of 6 people"),
        (
            lambda m: None,
            {"points": np.full((6, 33, 3), np.inf, np.float16)},
            "points hold what is no number",
        ),
    ],
)
def test_poses(tmp_path, change, tensors, words):
    path = tmp_path / "good.safetensors"
    Poses.load(assets.model("poses.safetensors")).take(np.arange(6)).save(path)
    path = rewritten(path, tmp_path / "bad.safetensors", change, **tensors)
    with pytest.raises(UserError, match=f"bad.safetensors is no whole bank of poses .*{words}"):
        Poses.load(path)


@pytest.mark.parametrize("points", [0.0, 6e4, 3e38])
def test_skeletons_of_any_size_are_drawn(points):
    poses = Poses.load(assets.model("poses.safetensors")).take(np.arange(2))
    places = (points * np.random.default_rng(0).random((2, 33, 3))).astype(np.float32)
    drawn = of_poses(Poses(places, poses.visibility, poses.space, poses.sizes, poses.pictures))
    assert drawn.width == 256


def settings(**changed):
    def change(metadata):
        metadata["settings"] = json.dumps({**json.loads(metadata["settings"]), **changed})

    return change


@pytest.mark.parametrize(
    "change, tensors, words",
    [
        (lambda m: m.pop("settings"), {}, "settings"),
        (lambda m: m.pop("songs"), {}, "songs"),
        (lambda m: m.update(settings="[]"), {}, "missing or wrong"),
        (lambda m: m.update(settings="{"), {}, "missing or wrong"),
        (settings(hop_length=0), {}, "settings of an analysis"),
        (settings(hop_length=512.5), {}, "settings of an analysis"),
        (settings(n_fft=2**30), {}, "settings of an analysis"),
        (settings(fmax=9e9), {}, "range of bands"),
        (settings(tempo=1), {}, "tempo"),
        (settings(sr=48000), {}, "48000 frames"),
        (lambda m: None, {"centroids": np.zeros((64, 100), np.float32)}, "64 bands"),
        (lambda m: None, {"centroids": np.full((100, 64), np.inf, np.float32)}, "no number"),
        (lambda m: None, {"transitions": np.zeros((3, 3), np.int32)}, "transitions"),
    ],
)
def test_codebooks(tmp_path, change, tensors, words):
    path = rewritten(assets.model("codebook.safetensors"), tmp_path / "bad.safetensors", change, **tensors)
    with pytest.raises(UserError, match=f"bad.safetensors is no whole codebook .*{words}"):
        Codebook.load(path)


@pytest.mark.parametrize("sample", [3e38, -np.inf, np.nan])
def test_no_sound_is_too_loud_for_a_video(tmp_path, sample):
    """A broken sample of a float file; FFmpeg's encoder would look for its scale for ever."""
    sound = np.zeros((4410, 2), np.float32)
    sound[2000] = sample
    with VideoWriter(tmp_path / "clip.mp4", 64, 64, Fraction(10)) as video:
        video.add_sound(sound)
        video.add_frames(np.zeros((1, 64, 64, 3), np.uint8))
    assert playable(tmp_path / "clip.mp4")[0] == 1


def test_a_sound_of_an_unknown_kind(tmp_path, melody):
    path = write_sound(tmp_path / "odd.wav", melody[:4410])
    data = bytearray(path.read_bytes())
    place = data.index(b"fmt ") + 8
    data[place : place + 2] = b"\x4f\x9a"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"odd\.wav"):
        Song(path)
