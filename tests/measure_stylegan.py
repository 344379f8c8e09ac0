"""How fast StyleGANs of usual sizes are on this machine, each way to paint side by side.

The weights are random: only speed is looked at, and how far one way's pictures are from another's.

    python tests/measure_stylegan.py --size 256 --kinds 2 3t
"""

from __future__ import annotations

import argparse

import numpy as np

from visualizer.bench.stylegan import W_DIM, measure_stylegan, plan2, with_random_weights
from visualizer.neural.inference import choose_device
from visualizer.neural.stylegan import stylegan3
from visualizer.neural.stylegan.imported import StyleGanPlan
from visualizer.neural.stylegan.mapping import MappingPlan

FILTER_TAPS = 6
MARGIN = 10


def plan3(size: int, radial: bool, channel_base: int = 32768, n: int = 14, critical: int = 2) -> StyleGanPlan:
    """StyleGAN3 by the rules of its paper, section 3: cutoffs grow geometrically from 2 to half the size."""
    base, most, kernel = (2 * channel_base, 1024, 1) if radial else (channel_base, 512, 3)
    exponents = np.minimum(np.arange(n + 1) / (n - critical), 1)
    cutoffs = 2 * (size / 2 / 2) ** exponents
    stopbands = 2**2.1 * (size / 2 * 2**0.3 / 2**2.1) ** exponents
    rates = np.exp2(np.ceil(np.log2(np.minimum(2 * stopbands, size)))).astype(int)
    sizes = rates + 2 * MARGIN
    sizes[-2:] = size
    channels = np.rint(np.minimum(base / 2 / cutoffs, most)).astype(int)
    channels[-1] = 3
    layers = []
    for i in range(n + 1):
        before, colours = max(0, i - 1), i == n
        between = int(max(rates[before], rates[i])) * (1 if colours else 2)
        up, down = between // int(rates[before]), between // int(rates[i])
        up_taps, down_taps = (FILTER_TAPS * f if f > 1 and not colours else 1 for f in (up, down))
        width = 1 if colours else kernel
        total = int((sizes[i] - 1) * down + 1 - (sizes[before] + width - 1) * up + up_taps + down_taps - 2)
        first = (total + up) // 2
        layers.append(
            stylegan3.LayerPlan(
                int(channels[before]),
                int(channels[i]),
                width,
                up,
                down,
                (first, total - first) * 2,
                up_taps if up > 1 else 0,
                down_taps if down > 1 else 0,
                radial and i < n - critical,
                colours,
            )
        )
    first_size = int(sizes[0])
    made = stylegan3.Architecture(
        W_DIM,
        int(channels[0]),
        first_size,
        first_size,
        float(rates[0]),
        cutoffs[0],
        tuple(layers),
        size,
        clamp=256.0,
    )
    return StyleGanPlan(MappingPlan(512, 0, 0, (W_DIM,) * 2), made)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--kinds", nargs="+", choices=("2", "3t", "3r"), default=["2", "3t"])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--compute", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.compute)
    for kind in arguments.kinds:
        plan = plan2(arguments.size) if kind == "2" else plan3(arguments.size, kind == "3r")
        network = with_random_weights(plan)
        for row in measure_stylegan(network, device, arguments.seconds):
            print(f"StyleGAN{kind} {row.name:60} {row.value:10.2f} {row.unit} {row.note}", flush=True)


if __name__ == "__main__":
    main()
