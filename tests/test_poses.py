"""Poses: a body whose limbs keep their lengths, the networks that find people, and the command."""

import json

import numpy as np
import openvino as ov
import pytest
import torch
from convert_finder import read
from openvino import opset13 as ops
from PIL import Image

from visualizer.common import assets, weights
from visualizer.latent import body
from visualizer.latent.poses import Poses
from visualizer.learning.finding.finder import Finder
from visualizer.learning.finding.graph import Graph

STANDING = {0: (0, -0.6), 7: (0.07, -0.63), 8: (-0.07, -0.63), 11: (0.16, -0.48), 12: (-0.16, -0.48)}
STANDING |= {
    13: (0.2, -0.23),
    14: (-0.2, -0.23),
    15: (0.22, 0),
    16: (-0.22, 0),
    23: (0.11, 0),
    24: (-0.11, 0),
}
STANDING |= {17: (0.22, 0.07), 18: (-0.22, 0.07), 19: (0.22, 0.07), 20: (-0.22, 0.07)}
STANDING |= {25: (0.11, 0.39), 26: (-0.11, 0.39), 27: (0.11, 0.77), 28: (-0.11, 0.77)}
STANDING |= {29: (0.11, 0.81), 30: (-0.11, 0.81), 31: (0.13, 0.83), 32: (-0.13, 0.83)}


def standing(arms=0.0, lean=0.0, step=0.0):
    """[33, 3] somebody who faces the viewer; arms: raised by so many degrees; step: the left leg aside."""
    space = np.zeros((33, 3))
    for point, place in STANDING.items():
        space[point, :2] = place
    space[0, 2] = -0.11
    space[[31, 32], 2] = -0.12
    for side, points in ((1, (13, 15, 17, 19)), (-1, (14, 16, 18, 20))):
        shoulder = space[11 if side > 0 else 12]
        turn = np.radians(-side * arms)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        for point in points:
            space[point, :2] = shoulder[:2] + turned @ (space[point, :2] - shoulder[:2])
    space[[25], 0] += step / 2
    space[[27, 29, 31], 0] += step
    upper = [p for p in range(23) if p not in (23, 24)]
    space[upper, 0] += -lean * space[upper, 1]
    return space


def lengths(points):
    """[n, 20] metres of the bones of points [n, 33, 3]."""
    return np.stack(
        [np.linalg.norm(points[:, b.end].mean(1) - points[:, b.start].mean(1), axis=1) for b in body.BONES], 1
    )


def test_limbs_keep_their_lengths_between_any_two_poses():
    rng = np.random.default_rng(0)
    ends = body.encode(rng.standard_normal((2, 40, 33, 3)).reshape(80, 33, 3)).reshape(2, 40, -1)
    for t in np.linspace(0, 1, 7):
        between = (1 - t) * ends[0] + t * ends[1]
        assert np.abs(lengths(body.points(between)) / body.LENGTHS - 1).max() < 0.05


def test_a_pose_comes_back_from_its_vector():
    space = standing(arms=70, lean=0.1)
    points = body.points(body.encode(space[None]) * 3)[0]  # whatever the vector is multiplied by
    points -= points[[23, 24]].mean(0)
    main = list(body.MAIN)
    assert np.abs(points[main] - space[main]).max() < 0.06  # limbs have usual lengths now


def test_it_stands_on_the_floor_within_the_picture():
    for arms in (0, 90, 175):
        flat = body.on_stage(body.encode(standing(arms=arms)[None]))[0, :, :2]
        assert flat.min() > 0.02 and flat.max() < 0.98
        assert flat[:, 1].max() == pytest.approx(body.FLOOR)


def test_a_knee_does_not_bend_forwards_nor_an_elbow_close():
    space = standing()
    space[[27, 29, 31], 2] -= 0.5  # the left shin, forwards
    space[15] = space[11]
    ways = body.directions(body.encode(space[None]))[0]
    thigh, shin = ways[body.NUMBER["left thigh"]], ways[body.NUMBER["left shin"]]
    assert np.degrees(np.arccos(thigh @ shin)) < 1.5 * body.STRAIGHT
    upper, fore = ways[body.NUMBER["left upper arm"]], ways[body.NUMBER["left forearm"]]
    assert np.degrees(np.arccos(upper @ fore)) < 151
    bent = standing()
    bent[[27, 29, 31], 2] += 0.3  # backwards it may
    before = body.encode(bent[None])[0, : body.N_DIRECTIONS].reshape(-1, 3)
    assert np.allclose(body.directions(body.encode(bent[None]))[0], before, atol=1e-5)


def test_the_foot_that_stands_stays():
    present, target = body.encode(np.stack([standing(), standing(step=0.4)]))
    target = body.planted(present, target)
    ways = np.linspace(0, 1, 20)[:, None]
    feet = body.points((1 - ways) * present + ways * target)[:, [30, 29], 0]
    slid = np.ptp(feet, axis=0)
    assert slid[0] < 0.03 < 0.3 < slid[1]  # the right one stays, the left one steps aside


@pytest.fixture(scope="module")
def converted():
    """A small network with every operation, by OpenVINO and by conversion: (compiled, graph)."""
    rng = np.random.default_rng(0)

    def constant(*shape):
        return ops.constant(rng.standard_normal(shape).astype(np.float32))

    x = entry = ops.parameter([1, 16, 16, 3], np.float32, "input_1")
    x = ops.transpose(x, ops.constant([0, 3, 1, 2]))
    x = ops.pad(
        x, ops.constant([0, 0, 0, 0]), ops.constant([0, 0, 1, 1]), "constant", ops.constant(np.float32(0))
    )
    x = ops.convolution(x, constant(8, 3, 3, 3), [2, 2], [0, 0], [0, 0], [1, 1])
    x = ops.clamp(ops.add(x, constant(1, 8, 1, 1)), 0.0, 6.0)
    x = ops.group_convolution(x, constant(8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    y = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    y = ops.transpose(y, ops.constant([0, 2, 3, 1]))
    y = ops.interpolate(
        y,
        ops.constant([8, 8]),
        "linear_onnx",
        "sizes",
        [0, 0],
        [0, 0],
        "half_pixel",
        axes=ops.constant([1, 2]),
    )
    y = ops.transpose(y, ops.constant([0, 3, 1, 2]))
    x = ops.concat([ops.add(x, y), ops.sigmoid(x)], 1)
    x = ops.depth_to_space(x, "blocks_first", 2)
    x = ops.reshape(ops.transpose(x, ops.constant([0, 2, 3, 1])), ops.constant([1, 256, 4]), False)
    result = ops.result(x)
    result.input(0).get_source_output().set_names({"Identity"})
    model = ov.Model([result], [entry])
    graph, tensors = read(model, {"Identity": "found"}, "t")
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled, Graph.read(graph.text, tensors)


def test_a_converted_network_computes_what_the_original_does(converted):
    compiled, graph = converted
    picture = np.random.default_rng(1).random((1, 16, 16, 3)).astype(np.float32)
    found = graph(torch.from_numpy(picture))["found"].numpy()
    assert np.abs(found - compiled(picture)[0]).max() < 1e-4
    twice = graph(torch.from_numpy(np.concatenate([picture, picture])))["found"].numpy()
    assert np.allclose(twice[1], found[0], atol=1e-5)


def test_a_file_can_name_no_other_operations():
    steps = [{"op": "__import__", "in": ["pictures"], "out": "m0"}]
    graph = Graph.read(json.dumps({"steps": steps, "outputs": {"found": "m0"}}), {})
    with pytest.raises(KeyError):
        graph(torch.zeros(1, 4, 4, 3))


def test_the_shipped_finder_is_small_and_finds_nobody_in_nothing():
    path = assets.model("finder.safetensors")
    assert path.stat().st_size < 15e6
    assert "Apache License 2.0" in weights.load(path, "finder")[1]["source"]
    rng = np.random.default_rng(0)
    assert Finder().find((255 * rng.random((180, 240, 3))).astype(np.uint8)) == []


def test_the_command_says_what_it_needs(visualizer, tmp_path):
    Image.fromarray(np.full((120, 160, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    (tmp_path / "broken.jpg").write_text("no picture")
    result = visualizer("poses", "wall.png", "broken.jpg", "-o", "d.safetensors", cwd=tmp_path)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert "no whole person in 2 pictures (nobody in 1 picture)" in result.stderr
    assert not (tmp_path / "d.safetensors").exists()


def test_a_bank_of_poses_is_kept_and_shown(visualizer, tmp_path):
    space = np.stack([standing(), standing(arms=120)]).astype(np.float32)
    points = (space * 100 + (160, 120, 0)).astype(np.float32)
    sizes = np.array([[320, 240]] * 2)
    poses = Poses(points, np.ones((2, 33), np.float32), space, sizes, ("a.jpg", "b.jpg"))
    poses.save(tmp_path / "d.safetensors")
    kept = Poses.load(tmp_path / "d.safetensors")
    assert kept.pictures == poses.pictures and np.allclose(kept.codes, poses.codes, atol=1e-2)
    result = visualizer("sheet", "d.safetensors", "-o", "d.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert np.asarray(Image.open(tmp_path / "d.png")).std() > 5
