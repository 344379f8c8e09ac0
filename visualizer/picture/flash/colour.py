"""What the rule asks of a colour, given as linear RGB in 0..1; for compiled loops."""

from __future__ import annotations

import numpy as np

from visualizer.common.compiled import inlined
from visualizer.picture.flash import rule

RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT = map(np.float32, rule.LUMINANCE)
# Of linear RGB, 4 X, 9 Y and X + 15 Y + 3 Z: u' and v' are the first two divided by the last.
_X, _Y, _Z = np.array(rule.XYZ, np.float32)
U_ROW, V_ROW, SUM_ROW = (tuple(row) for row in (4 * _X, 9 * _Y, _X + 15 * _Y + 3 * _Z))
FLARE = np.float32(rule.FLARE)
ONE = np.float32(1)


@inlined
def relative_luminance(red: np.float32, green: np.float32, blue: np.float32) -> np.float32:
    """WCAG's relative luminance, 0..1."""
    return RED_WEIGHT * red + GREEN_WEIGHT * green + BLUE_WEIGHT * blue


@inlined
def redness(red: np.float32, green: np.float32, blue: np.float32, share: np.float32) -> np.float32:
    """0 or more where red makes up more than a share of the colour; linear in the light."""
    flare = FLARE * (ONE - 3 * share) + np.float32(1e-7)
    return red - share * (red + green + blue) + flare


@inlined
def chromaticity(
    red: np.float32, green: np.float32, blue: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """(u', v' of CIE 1976, white of no light; with how much weight the colour counts in a mixture's)."""
    red, green, blue = red + FLARE, green + FLARE, blue + FLARE
    weight = SUM_ROW[0] * red + SUM_ROW[1] * green + SUM_ROW[2] * blue
    u = (U_ROW[0] * red + U_ROW[1] * green + U_ROW[2] * blue) / weight
    v = (V_ROW[0] * red + V_ROW[1] * green + V_ROW[2] * blue) / weight
    return u, v, weight
