"""The body: 33 points in space, as the directions of its bones.

A point of pose space is 20 directions, where the body stands, and a one. Half-way between two of them lie the
directions between, and each bone is as long as it is: so limbs keep their lengths on every way from pose to
pose, which raw points would not. All of it may be multiplied by anything, as the shell of codes does: the one
tells by how much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

N_POINTS = 33
# Points by BlazePose's numbers. Those that must be in a picture for a person to be whole:
MAIN = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


class Bone(NamedTuple):
    """From the mean of some points to the mean of others; metres of a usual body."""

    name: str
    start: tuple[int, ...]
    end: tuple[int, ...]
    metres: float


HIPS, SHOULDERS, EARS = (23, 24), (11, 12), (7, 8)
BONES = (
    Bone("hips", HIPS, (23,), 0.11),
    Bone("spine", HIPS, SHOULDERS, 0.49),
    Bone("shoulders", SHOULDERS, (11,), 0.165),
    Bone("neck", SHOULDERS, EARS, 0.18),
    Bone("ears", EARS, (7,), 0.073),
    Bone("face", EARS, (0,), 0.12),
    Bone("left upper arm", (11,), (13,), 0.25),
    Bone("right upper arm", (12,), (14,), 0.25),
    Bone("left forearm", (13,), (15,), 0.24),
    Bone("right forearm", (14,), (16,), 0.24),
    Bone("left hand", (15,), (17, 19), 0.075),
    Bone("right hand", (16,), (18, 20), 0.075),
    Bone("left thigh", (23,), (25,), 0.39),
    Bone("right thigh", (24,), (26,), 0.39),
    Bone("left shin", (25,), (27,), 0.375),
    Bone("right shin", (26,), (28,), 0.375),
    Bone("left heel", (27,), (29,), 0.047),
    Bone("right heel", (28,), (30,), 0.047),
    Bone("left foot", (27,), (31,), 0.155),
    Bone("right foot", (28,), (32,), 0.155),
)
NUMBER = {bone.name: i for i, bone in enumerate(BONES)}
LENGTHS = np.array([bone.metres for bone in BONES], np.float32)
N_DIRECTIONS = 3 * len(BONES)
# Directions, metres to the right, one.
POSE_DIM = N_DIRECTIONS + 2

# How far a bone may turn away from another, in degrees.
REACHES = (
    ("shoulders", "hips", 75),
    ("neck", "spine", 60),
    ("ears", "shoulders", 80),
    ("left forearm", "left upper arm", 150),
    ("right forearm", "right upper arm", 150),
    ("left hand", "left forearm", 75),
    ("right hand", "right forearm", 75),
    ("left shin", "left thigh", 150),
    ("right shin", "right thigh", 150),
    ("left foot", "left shin", 125),
    ("right foot", "right shin", 125),
)
# A knee bends backwards; forwards no further than this.
STRAIGHT = 8.0

# The stage: parts of the picture to a metre, the floor from above, and how far from the middle it may stand.
SCALE, FLOOR, WINGS_M = 0.47, 0.965, 0.35
# A foot stands that is no higher than this above the lowest point, in metres.
STANDS_M = 0.06


def encode(space: np.ndarray) -> np.ndarray:
    """Vectors [n, POSE_DIM] float32 of points [n, 33, 3], x to the right, y down, z away, of any scale."""
    ways = [space[:, bone.end].mean(1) - space[:, bone.start].mean(1) for bone in BONES]
    directions = _unit(np.stack(ways, 1)).reshape(len(space), -1)
    return np.column_stack([directions, np.zeros(len(space)), np.ones(len(space))]).astype(np.float32)


def directions(vectors: np.ndarray) -> np.ndarray:
    """[n, 20, 3] unit vectors of pose vectors [n, POSE_DIM], their joints within human reach."""
    ways = _unit(vectors[:, :N_DIRECTIONS].reshape(len(vectors), -1, 3).astype(np.float64))
    for side in ("left", "right"):
        thigh, shin = ways[:, NUMBER[f"{side} thigh"]], ways[:, NUMBER[f"{side} shin"]]
        ways[:, NUMBER[f"{side} shin"]] = _knee(thigh, shin, ways[:, NUMBER["hips"]])
    for child, parent, degrees in REACHES:
        i = NUMBER[child]
        ways[:, i] = _within(ways[:, i], ways[:, NUMBER[parent]], np.radians(degrees))
    return ways


def points(vectors: np.ndarray, lengths: np.ndarray = LENGTHS) -> np.ndarray:
    """[n, 33, 3] metres of pose vectors [n, POSE_DIM]: x from the stage's middle, y from the floor (less is
    higher), z from the middle of the hips, more is further away. lengths: [20] of the bones."""
    ways = directions(vectors) * lengths[:, None]
    of = {bone.name: ways[:, i] for i, bone in enumerate(BONES)}
    space = np.zeros((len(vectors), N_POINTS, 3))
    space[:, 23], space[:, 24] = of["hips"], -of["hips"]
    chest = of["spine"]
    space[:, 11], space[:, 12] = chest + of["shoulders"], chest - of["shoulders"]
    head = chest + of["neck"]
    _put_head(space, head, of["ears"], of["face"])
    for side, shoulder in (("left", 0), ("right", 1)):
        for bone in ("upper arm", "forearm", "thigh", "shin", "heel", "foot"):
            (start,), (end,) = BONES[NUMBER[f"{side} {bone}"]].start, BONES[NUMBER[f"{side} {bone}"]].end
            space[:, end] = space[:, start] + of[f"{side} {bone}"]
        wrist, hand = space[:, 15 + shoulder], of[f"{side} hand"]
        space[:, 17 + shoulder] = space[:, 19 + shoulder] = wrist + hand
        space[:, 21 + shoulder] = wrist + 0.6 * hand
    space[:, :, 0] += (vectors[:, -2] / vectors[:, -1])[:, None]
    space[:, :, 1] -= space[:, :, 1].max(1, keepdims=True)
    return space


def _put_head(space: np.ndarray, middle: np.ndarray, left: np.ndarray, face: np.ndarray) -> None:
    """The head's points, as they lie on a rigid head. middle: between the ears; left: to the left one."""
    up = np.cross(face, left)
    up *= 1 / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
    space[:, 7], space[:, 8], space[:, 0] = middle + left, middle - left, middle + face
    for i, (aside, height) in enumerate(((0.25, 0.04), (0.45, 0.04), (0.65, 0.04))):
        space[:, 1 + i] = middle + 0.85 * face + aside * left + height * up
        space[:, 4 + i] = middle + 0.85 * face - aside * left + height * up
    space[:, 9] = middle + 0.85 * face + 0.3 * left - 0.045 * up
    space[:, 10] = middle + 0.85 * face - 0.3 * left - 0.045 * up


def on_stage(vectors: np.ndarray, lengths: np.ndarray = LENGTHS) -> np.ndarray:
    """[n, 33, 3] float32 of pose vectors as a picture shows them: in parts of the picture from its upper
    left; depth on the same scale."""
    space = points(vectors, lengths) * SCALE
    return (space + np.array([0.5, FLOOR, 0.0])).astype(np.float32)


def planted(present: np.ndarray, target: np.ndarray, lengths: np.ndarray = LENGTHS) -> np.ndarray:
    """A target vector [POSE_DIM], standing where the foot that it stands on is now, if it can.

    present: [POSE_DIM] the vector that it comes from. A foot that stands in both stays; of two, that which is
    lower in both. Where neither does, or the way would lead off the stage, it slides.
    """
    both = np.stack([present, target]).astype(np.float64)
    both[1, -2] = 0
    space = points(both, lengths)
    feet = space[:, (29, 30, 31, 32)].reshape(2, 2, 2, 3).mean(1)  # pose, side, xyz: heel and toe's mean
    height = -space[:, (29, 30, 31, 32), 1].reshape(2, 2, 2).max(1)
    height = np.maximum(height, 0).sum(0)
    side = int(height.argmin())
    x = feet[0, side, 0] - feet[1, side, 0] if height[side] < 2 * STANDS_M else both[0, -2] / both[0, -1]
    placed = target.copy()
    placed[-2] = np.clip(x, -WINGS_M, WINGS_M) * placed[-1]
    return placed


def _unit(ways: np.ndarray) -> np.ndarray:
    return ways / np.maximum(np.linalg.norm(ways, axis=-1, keepdims=True), 1e-6)


def _within(way: np.ndarray, other: np.ndarray, most: float) -> np.ndarray:
    """Unit vectors [n, 3], turned back to at most an angle from others."""
    along = (way * other).sum(1, keepdims=True)
    across = way - along * other
    limited = np.cos(most) * other + np.sin(most) * _unit(across)
    return np.where(along < np.cos(most), limited, way)


def _knee(thigh: np.ndarray, shin: np.ndarray, hips: np.ndarray) -> np.ndarray:
    """The shin's direction, its knee not bent forwards. hips: towards the left one."""
    axis = _unit(hips - (hips * thigh).sum(1, keepdims=True) * thigh)
    # Seen along the axis, from the thigh on: a positive turn bends the knee.
    front = np.cross(axis, thigh)
    along, ahead, aside = ((shin * way).sum(1, keepdims=True) for way in (thigh, front, axis))
    turn = np.arctan2(ahead, along)
    lowest = -np.radians(STRAIGHT)
    # Folded far, the shin may come round: that is no knee bent forwards.
    wrong = (turn < lowest) & (turn > -np.pi / 2)
    size = np.hypot(along, ahead)
    straight = size * (np.cos(lowest) * thigh + np.sin(lowest) * front) + aside * axis
    return np.where(wrong, straight, shin)
