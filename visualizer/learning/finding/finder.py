"""The finder: people in a picture, and the 33 points of each (BlazePose: Bazarevsky et al. 2020,
arXiv:2006.10204).

Two stages. One network looks at the whole picture and says where people are, how large and which way up;
another looks at each of them, upright and in the middle, and finds the points, what is seen of them, how they
lie in space, and which pixels are the person's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.common import assets, weights
from visualizer.learning.finding.graph import Graph

N_POINTS = 33
DETECTOR_SIZE, POINTS_SIZE = 224, 256
# The detector's maps, and how many guesses each has for a place.
GUESSES = ((28, 2), (14, 2), (7, 6))
# From here on it is taken for a person; and two guesses that overlap by so much for the same one.
LEAST_SCORE, SAME = 0.5, 0.3
LEAST_PRESENCE = 0.5
# The person's square reaches a little beyond what the detector says.
MARGIN = 1.25
# Points are refined by the mean of a map around them, where it is sure.
WINDOW, SURE = 7, 0.5


@dataclass(frozen=True)
class Found:
    """A person in a picture.

    points: [33, 3] float32, pixels from the left and from the top, and depth on the same scale, less is
    nearer. visibility: [33] how likely each is seen, and inside: [33] that it lies within what was looked
    at, 0..1. space: [33, 3] metres from the middle of the hips, right, down and away.
    presence: how likely there is a person, 0..1. mask: [h, w] float32 0..1, which pixels are the person's.
    """

    points: np.ndarray
    visibility: np.ndarray
    inside: np.ndarray
    space: np.ndarray
    presence: float
    mask: np.ndarray


class Finder:
    """Finds people. Holds the networks; `find` is one picture."""

    def __init__(self, path: Path | None = None):
        """path: None is the shipped one. Raises UserError if the file holds none."""
        tensors, texts = weights.load(path or assets.model("finder.safetensors"), "finder")
        self._detector = Graph.read(texts["detector"], tensors).eval()
        self._points = Graph.read(texts["points"], tensors).eval()
        self._anchors = _anchors()

    @torch.inference_mode()
    def find(self, picture: np.ndarray, most: int = 8) -> list[Found]:
        """The people in a picture [h, w, 3] uint8 sRGB, the likeliest first."""
        image = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
        people: list[Found] = []
        for square in self._detect(image)[:most]:
            person = self._look(image, square)
            if person.presence >= LEAST_PRESENCE and not any(_same(person, other) for other in people):
                people.append(person)
        return people

    def _detect(self, image: torch.Tensor) -> list[tuple[float, float, float, float]]:
        """Squares (centre x, y, side, turn) that hold a person."""
        height, width = image.shape[2:]
        side = max(height, width)
        square = (width / 2, height / 2, side, 0.0)
        outcome = self._detector(_cut(image, square, DETECTOR_SIZE).permute(0, 2, 3, 1) * 2 - 1)
        scores = outcome["scores"][0, :, 0].clamp(-100, 100).sigmoid()
        raw = outcome["boxes"][0] / DETECTOR_SIZE
        likely = torch.nonzero(scores >= LEAST_SCORE)[:, 0]
        scores, raw, anchors = scores[likely], raw[likely], self._anchors[likely]
        centres, sizes = raw[:, :2] + anchors, raw[:, 2:4]
        marks = raw[:, 4:].view(-1, 4, 2) + anchors[:, None]
        everything = torch.cat([centres - sizes / 2, centres + sizes / 2, marks.flatten(1)], 1)
        found = []
        for merged in _merged(everything, scores):
            # The middle of the hips, and the top of the circle around the whole body.
            (x, y), (up_x, up_y) = (merged[4:].view(4, 2)[:2] * side).tolist()
            x, up_x = x + (width - side) / 2, up_x + (width - side) / 2
            y, up_y = y + (height - side) / 2, up_y + (height - side) / 2
            radius = math.hypot(up_x - x, up_y - y)
            found.append((x, y, 2 * radius * MARGIN, math.atan2(up_x - x, y - up_y)))
        return found

    def _look(self, image: torch.Tensor, square: tuple[float, float, float, float]) -> Found:
        x, y, side, turn = square
        outcome = self._points(_cut(image, square, POINTS_SIZE).permute(0, 2, 3, 1))
        raw = outcome["points"].view(-1, 5)[:N_POINTS]
        places = raw[:, :3] / POINTS_SIZE
        if "heat" in outcome:
            places[:, :2] = _refined(places[:, :2], outcome["heat"][0, :, :, :N_POINTS].sigmoid())
        sure = raw[:, 3:].sigmoid().numpy()
        turned = _rotation(turn)
        flat = (places[:, :2].double().numpy() - 0.5) @ turned.T * side + (x, y)
        space = outcome["world"].view(-1, 3)[:N_POINTS].double().numpy()
        space[:, :2] = space[:, :2] @ turned.T
        mask = _put_back(outcome["mask"].permute(0, 3, 1, 2).sigmoid(), square, image.shape[2:])
        return Found(
            np.column_stack([flat, places[:, 2].numpy() * side]).astype(np.float32),
            sure[:, 0],
            sure[:, 1],
            space.astype(np.float32),
            float(outcome["presence"]),
            mask,
        )


def points_network(path: Path | None = None) -> Graph:
    """The smaller network for points, which training looks through: pictures [n, 256, 256, 3] to points [n,
    195] and presence [n, 1]. Raises UserError if the file holds none."""
    tensors, texts = weights.load(path or assets.model("finder.safetensors"), "finder")
    return Graph.read(texts["quick"], tensors).eval()


def _anchors() -> torch.Tensor:
    """[2254, 2] where the detector's guesses are centred, 0..1."""
    centres = []
    for size, n in GUESSES:
        y, x = np.mgrid[:size, :size]
        centres.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2) + 0.5, n, 0) / size)
    return torch.from_numpy(np.concatenate(centres).astype(np.float32))


def _merged(boxes: torch.Tensor, scores: torch.Tensor) -> list[torch.Tensor]:
    """Boxes [n, 4 + k] that overlap a likelier one are one, at their mean weighted by score."""
    left, merged = scores.argsort(descending=True), []
    while len(left):
        corner = torch.maximum(boxes[left, :2], boxes[left[0], :2])
        other = torch.minimum(boxes[left, 2:4], boxes[left[0], 2:4])
        shared = (other - corner).clamp(min=0).prod(1)
        areas = (boxes[left, 2:4] - boxes[left, :2]).prod(1)
        same = shared / (areas + areas[0] - shared) > SAME
        same[0] = True
        weight = scores[left[same]][:, None]
        merged.append((boxes[left[same]] * weight).sum(0) / weight.sum())
        left = left[~same]
    return merged


def _rotation(turn: float) -> np.ndarray:
    return np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])


def _cut(image: torch.Tensor, square: tuple[float, float, float, float], size: int) -> torch.Tensor:
    """A turned square of a picture [1, c, h, w] at another size; black outside."""
    x, y, side, turn = square
    height, width = image.shape[2:]
    factor = size / side
    if factor < 0.5:  # what is far larger is averaged first
        by = int(0.5 / factor) + 1
        image = F.avg_pool2d(image, by, ceil_mode=True, count_include_pad=False)
        height, width, x, y, side = image.shape[2], image.shape[3], x / by, y / by, side / by
    place = np.zeros((1, 2, 3))
    place[0, :, :2] = _rotation(turn) * side / np.array([[width], [height]])
    place[0, :, 2] = 2 * x / width - 1, 2 * y / height - 1
    grid = F.affine_grid(
        torch.from_numpy(place).float(), [1, image.shape[1], size, size], align_corners=False
    )
    return F.grid_sample(image, grid, padding_mode="zeros", align_corners=False)


def _put_back(mask: torch.Tensor, square: tuple[float, float, float, float], shape: torch.Size) -> np.ndarray:
    """The mask [1, 1, s, s] of a turned square as one of the whole picture; 0 outside."""
    x, y, side, turn = square
    height, width = shape
    place = np.zeros((1, 2, 3))
    back = _rotation(-turn)
    place[0, :, :2] = back @ np.diag([width, height]) / side
    place[0, :, 2] = back @ ((width / 2 - x, height / 2 - y)) * 2 / side
    grid = F.affine_grid(torch.from_numpy(place).float(), [1, 1, height, width], align_corners=False)
    return F.grid_sample(mask, grid, padding_mode="zeros", align_corners=False)[0, 0].numpy()


def _refined(places: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Places [n, 2] in 0..1, moved to the mean of their maps [h, w, n] around them."""
    size, reach = heat.shape[0], WINDOW // 2
    refined = places.clone()
    for i, (x, y) in enumerate((places * size).int().tolist()):
        if not (0 <= x < size and 0 <= y < size):
            continue
        top, left = max(0, y - reach), max(0, x - reach)
        around = heat[top : y + reach + 1, left : x + reach + 1, i]
        if around.max() >= SURE:
            rows = torch.arange(top, top + around.shape[0])
            columns = torch.arange(left, left + around.shape[1])
            refined[i, 0] = (around.sum(0) * columns).sum() / around.sum() / size
            refined[i, 1] = (around.sum(1) * rows).sum() / around.sum() / size
    return refined


def _same(person: Found, other: Found) -> bool:
    """Whether it is the same person, found twice: their boxes overlap by more than half."""
    boxes = [(p.points[:, :2].min(0), p.points[:, :2].max(0)) for p in (person, other)]
    (low, high), (other_low, other_high) = boxes
    shared = (np.minimum(high, other_high) - np.maximum(low, other_low)).clip(0).prod()
    return bool(shared > 0.5 * min((b - a).prod() for a, b in boxes))
