"""Relief: from where the fine detail of pictures seems lit.

Embossed texture is bright on one side of every ridge and dark on the other. With g the gradient of what is
finer than some six pixels, in parts of its root mean square nearby, the mean of g |g|^½ is a vector along
that light. Photos have such vectors, each another; a network that has learnt to emboss lights all its
pictures alike, which a loss on the vectors' mean can feel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

LUMINANCE = (0.2126, 0.7152, 0.0722)
# Widths in pixels of what is averaged away, of what is not fine, and of what is near.
FINE, COARSE, NEARBY = 3, 7, 15
FLAT = 1e-3


def relief(pictures: torch.Tensor) -> torch.Tensor:
    """[n, 2], x to the right and y downwards, of pictures [n, 3, h, w] in 0..1."""
    with torch.autocast(pictures.device.type, enabled=False):
        grey = luminance(pictures)
        fine = _averaged(grey, FINE) - _averaged(grey, COARSE)
        x = fine[..., 1:-1, 2:] - fine[..., 1:-1, :-2]
        y = fine[..., 2:, 1:-1] - fine[..., :-2, 1:-1]
        nearby = (_averaged(x.square() + y.square(), NEARBY) + FLAT**2).sqrt()
        gradient = torch.cat([x, y], 1) / nearby
        steepness = gradient.square().sum(1, keepdim=True).add(1e-4).sqrt()
        return (gradient * steepness.sqrt()).mean((2, 3))


def luminance(pictures: torch.Tensor) -> torch.Tensor:
    """[n, 1, h, w] float32 of pictures [n, 3, h, w]."""
    weights = pictures.new_tensor(LUMINANCE, dtype=torch.float32)[:, None, None]
    return (pictures.float() * weights).sum(1, keepdim=True).contiguous()


def _averaged(x: torch.Tensor, width: int) -> torch.Tensor:
    """The mean of a square around each place: of its columns, then of those."""
    for size in ((width, 1), (1, width)):
        x = F.avg_pool2d(x, size, 1, [n // 2 for n in size], count_include_pad=False)
    return x
