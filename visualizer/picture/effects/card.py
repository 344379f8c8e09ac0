"""A canvas of torch tensors: for graphics cards."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from visualizer.picture.effects.canvas import Ground, Moment


class CardCanvas:
    """Frames on a graphics card, or wherever torch computes."""

    def __init__(self, ground: Ground, device: torch.device | str):
        self._places = torch.from_numpy(ground.places).to(device).permute(1, 2, 0)
        self._noise = torch.from_numpy(ground.noise).to(device)
        self._padding = "zeros" if ground.bars else "reflection"
        y, x = (torch.from_numpy(axis).to(device) for axis in ground.centred())
        self._frame_places = torch.stack(torch.broadcast_tensors(x[None], y[:, None]), -1)
        self._distance2 = (x[None] ** 2 + y[:, None] ** 2) / 2
        self._trail: torch.Tensor | None = None

    def compose(self, picture: torch.Tensor, moment: Moment) -> torch.Tensor:
        places = self._places
        if (moment.cos, moment.sin) != (1, 0):
            turn = [[moment.cos, moment.sin], [-moment.sin, moment.cos]]
            places = places @ torch.tensor(turn, device=picture.device)
        image = _sample(picture.permute(2, 0, 1)[None].float(), places, self._padding)
        if moment.keep > 0 and self._trail is not None:
            old = _sample(self._trail, self._frame_places * moment.drift, "border")
            image = torch.lerp(image, old, moment.keep)
        self._trail = image
        image = self._colour(image[0], moment)
        return image.permute(1, 2, 0).add(0.5).clamp_(0, 255).to(torch.uint8)

    def _colour(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
        """image: [3, h, w] on 0..255."""
        if not np.array_equal(moment.colours, np.eye(3)):
            colours = torch.from_numpy(moment.colours).to(image.device)
            image = torch.einsum("ij,jhw->ihw", colours, image)
        if moment.vignette > 0:
            image = image * (1 - moment.vignette * self._distance2)
        if moment.grain > 0:
            top, left = moment.shift
            _, height, width = image.shape
            image = image + moment.grain * self._noise[top : top + height, left : left + width]
        return image


def _sample(image: torch.Tensor, places: torch.Tensor, padding: str) -> torch.Tensor:
    return F.grid_sample(image, places[None], "bilinear", padding, align_corners=False)
