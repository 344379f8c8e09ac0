"""The dancer: a figure that is drawn from poses, moves between them, and is learnt from photos."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from visualizer.audio.listener import Listener
from visualizer.audio.song import Song
from visualizer.common import assets
from visualizer.latent import body
from visualizer.latent.bank import Bank
from visualizer.latent.code import Code, blend
from visualizer.latent.figurant import Limbs
from visualizer.latent.particle import Spring
from visualizer.latent.poses import Poses
from visualizer.learning.finding.finder import Finder
from visualizer.neural.figure_painter import TorchFigurePainter, Troupe
from visualizer.neural.figures import Figures
from visualizer.offline import engine as offline


@pytest.fixture(scope="module")
def poses():
    return Poses.load(assets.model("poses.safetensors"))


@pytest.fixture(scope="module")
def matter():
    """[8, 4096] codes of flowers."""
    return Bank.load(assets.model("bank.safetensors")).choose(groups=["plants"]).codes[::9][:8]


@pytest.fixture(scope="module")
def painter():
    compiled = pytest.importorskip("visualizer.neural.openvino_painter")
    return compiled.OpenVinoFigurePainter(Figures().figure, "f32", 2)


def test_both_painters_draw_the_same(painter, poses, matter):
    plain = TorchFigurePainter(Figures().figure, torch.device("cpu"), torch.float32)
    for n in (1, 3):
        vectors, codes = poses.codes[:n], matter[:n]
        drawn = painter(vectors, codes).astype(int)
        assert np.abs(drawn - plain(vectors, codes)).max() <= 2
        for _ in range(3):  # and however often it is asked
            assert np.array_equal(painter(vectors, codes), drawn)


def test_the_figure_is_where_its_pose_says(painter, poses, matter):
    """What of the picture differs from the mean of all is within the body, or near it."""
    vectors = poses.codes[:24]
    drawn = painter(vectors, matter[:1].repeat(24, 0)).astype(float).mean(3)
    ground = np.median(drawn, 0)
    for picture, points in zip(drawn, body.on_stage(vectors)):
        y, x = np.nonzero(np.abs(picture - ground) > 30)
        low, high = (256 * f(points[:, :2], 0) for f in (np.min, np.max))
        inside = (x > low[0] - 20) & (x < high[0] + 20) & (y > low[1] - 30) & (y < high[1] + 15)
        assert len(x) > 800 and inside.mean() > 0.9


def test_people_are_seen_in_what_is_drawn(painter, poses, matter):
    """By the shipped finder; tests/measure_dancer.py asks a stricter one."""
    finder = Finder()
    vectors = poses.codes[: len(matter)]
    seen = 0
    for picture, points in zip(painter(vectors, matter), body.on_stage(vectors)):
        for person in finder.find(picture, 1):
            away = np.linalg.norm(person.points[:, :2] - 256 * points[:, :2], axis=1)
            seen += np.median(away) < 20
    assert seen >= len(matter) / 2


def test_matter_dresses_it(painter, poses, matter):
    """The same pose of two matters: other colours, and no other outline."""
    a, b = painter(poses.codes[[0, 0]], matter[[0, 5]]).astype(float)
    assert np.abs(a - b).mean() > 5
    edges = [np.abs(np.diff(p.mean(2), axis=0)) > 12 for p in (a, b)]
    assert (edges[0] & edges[1]).sum() > 0.2 * min(e.sum() for e in edges)


@pytest.fixture(scope="module")
def danced(song):
    """[n, POSE_DIM], the path of the shipped preset through a song, 50 times a second."""
    _, codebook, motion = offline.open_parts("dancer")
    clock = offline.Clock(motion, Fraction(50))
    takes = offline.listen(Song(song), Listener(codebook), clock, offline.Report())
    return np.stack([shot.code.shape for take in takes for shot in take.shots])


def test_it_dances_from_pose_to_pose_with_limbs_of_one_length(danced):
    points = body.points(danced)
    assert np.ptp(points[:, [15, 16]], axis=0).max() > 0.05
    lengths = np.stack(
        [
            np.linalg.norm(points[:, bone.end].mean(1) - points[:, bone.start].mean(1), axis=1)
            for bone in body.BONES
        ]
    )
    assert (np.ptp(lengths, axis=1) / lengths.mean(1)).max() < 0.05
    speed = np.abs(np.diff(points, axis=0)).max() * 50
    assert speed < 12  # metres a second: nobody's hand is faster


def test_hips_lead_and_hands_follow():
    law = Limbs(Spring(0.4, 0.0))
    start, target = np.zeros(body.POSE_DIM + 1), np.ones(body.POSE_DIM + 1)
    moved, _ = law.step(start, start, target, 0.1)
    hips, hand = (moved[3 * body.NUMBER[bone]] for bone in ("hips", "left hand"))
    assert hips > 1.5 * hand > 0


def test_between_a_picture_and_a_pose_lies_nothing(poses, matter):
    a, b = Code(matter[0], matter[1]), Code(poses.codes[0], matter[2])
    assert blend(a, b, 0.3).shape is a.shape and blend(a, b, 0.7).shape is b.shape
    assert not np.allclose(blend(a, b, 0.3).matter, a.matter)


def test_a_troupe_paints_both(painter, poses, matter):
    troupe = Troupe(lambda shape, matter: "a picture", lambda: painter)
    assert troupe(matter, matter) == "a picture"
    assert troupe(poses.codes[:1], matter[:1]).shape == (1, 256, 256, 3)


def test_a_video(visualizer, song, tmp_path):
    result = visualizer(
        "render", song, "-o", "d.mp4", "--preset", "dancer", "--size", "64x64", "--fps", "5", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    result = visualizer(
        "render", song, "-o", "e.mp4", "--preset", "dancer", "--figure", assets.model("bank.safetensors"),
        cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 2 and "holds a bank, but a figure is needed" in result.stderr


def test_ones_own_figure_is_learnt(visualizer, painter, poses, matter, tmp_path):
    """Of people that the shipped figure draws."""
    folder = tmp_path / "me"
    folder.mkdir()
    front = np.argsort(np.abs(poses.codes[:, 0] - 0.95))[:28]
    for i, picture in enumerate(painter(poses.codes[front], matter[:1].repeat(28, 0))):
        Image.fromarray(picture).resize((384, 384)).save(folder / f"{i:02d}.png")
    options = ("--poses", folder, "-o", "me.safetensors", "--batch-size", "6")
    result = visualizer("train", *options, "--steps", "1", cwd=tmp_path)
    if "whole people" in result.stderr:
        pytest.fail(result.stderr)
    assert result.returncode == 0, result.stderr
    assert "1 steps on" in result.stdout
    assert (tmp_path / "me.preview.png").exists()
    result = visualizer("train", *options, "--steps", "2", "--resume", cwd=tmp_path)
    assert result.returncode == 0 and "2 steps on" in result.stdout, result.stderr
    assert Figures(tmp_path / "me.safetensors").figure.picture_size == 256


def test_a_figure_needs_people(visualizer, tmp_path):
    folder = tmp_path / "walls"
    folder.mkdir()
    Image.fromarray(np.full((100, 100, 3), 90, np.uint8)).save(folder / "wall.png")
    result = visualizer("train", "--poses", folder, "-o", "me.safetensors", cwd=tmp_path)
    assert result.returncode == 2 and "0 whole people in 1 pictures" in result.stderr
