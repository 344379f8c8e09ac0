"""A StyleGAN as this program plays it: a code of its w space in, a picture out, shape and matter apart."""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visualizer.common import weights
from visualizer.common.errors import UserError
from visualizer.latent.bank import Bank
from visualizer.neural.layout import channels_last
from visualizer.neural.stylegan import stylegan2, stylegan3
from visualizer.neural.stylegan.mapping import Mapping, MappingPlan

KIND = "stylegan"
# The norm of a code of average strength, as of the codes that the program's own generator draws.
SHELL = 64.0
# By so many w the strength of an average one is known.
SAMPLE = 4096
# As much of a random w's strength keeps most pictures from what is rarely good.
TRUNCATION = 0.7
# What features meet on their way.
HALVED = ("weight", "bias", "const", "noise", "blur", "up_filter", "down_filter")
# What part of the layers, from the coarsest, draws the shape: with 256 pixels all up to 16 across.
SHAPE_SHARE = 0.4


@dataclass(frozen=True)
class StyleGanPlan:
    """What a network is built from."""

    mapping: MappingPlan
    synthesis: stylegan2.Architecture | stylegan3.Architecture

    def to_json(self) -> str:
        """For a file's header."""
        return json.dumps({"version": self.version, **dataclasses.asdict(self)})

    @property
    def version(self) -> int:
        """2 or 3."""
        return 3 if isinstance(self.synthesis, stylegan3.Architecture) else 2

    @classmethod
    def from_json(cls, text: str) -> StyleGanPlan:
        """Raises ValueError, KeyError or TypeError if it wasn't written by `to_json`."""
        found = json.loads(text)
        mapping = MappingPlan(**{**found["mapping"], "features": tuple(found["mapping"]["features"])})
        given: dict[str, Any] = found["synthesis"]
        if found["version"] == 2:
            return cls(mapping, stylegan2.Architecture(**{**given, "channels": tuple(given["channels"])}))
        layers = tuple(
            stylegan3.LayerPlan(**{**layer, "padding": tuple(layer["padding"])}) for layer in given["layers"]
        )
        return cls(mapping, stylegan3.Architecture(**{**given, "layers": layers}))


class StyleGan(nn.Module):
    """Codes [n, w_dim] to pictures [n, 3, size, size], sRGB in 0..1.

    A code is a w less the average one, in such units that codes of random z have a norm near 64, as those of
    `Generator` have: so the same particles fly through both spaces. What is near 0 is the average picture;
    truncation by ψ is a norm of 64 ψ.
    """

    unit: torch.Tensor

    def __init__(self, plan: StyleGanPlan):
        super().__init__()
        self.plan = plan
        self.mapping = Mapping(plan.mapping)
        made = plan.synthesis
        self.synthesis: stylegan2.Synthesis | stylegan3.Synthesis
        if isinstance(made, stylegan3.Architecture):
            self.synthesis = stylegan3.Synthesis(made)
        else:
            self.synthesis = stylegan2.Synthesis(made)
        self.register_buffer("unit", torch.ones(()), persistent=False)
        self.crossover = round(SHAPE_SHARE * self.synthesis.n_styles)
        """The first of the synthesis network's styles that is matter and not shape."""

    @property
    def code_dim(self) -> int:
        """Numbers in a code."""
        return self.plan.synthesis.w_dim

    @property
    def picture_size(self) -> int:
        """Pixels across."""
        return self.plan.synthesis.size

    @property
    def name(self) -> str:
        """For people."""
        return f"StyleGAN{self.plan.version}, {self.picture_size}×{self.picture_size}"

    @classmethod
    def filled(cls, plan: StyleGanPlan, tensors: dict[str, torch.Tensor]) -> StyleGan:
        """A network of a plan and its weights. Raises RuntimeError if they don't fit each other."""
        network = cls(plan)  # memory that nothing was written to yet
        network.load_state_dict(tensors, assign=True)
        return network.ready()

    @cached_property
    def space(self) -> str:
        """A fingerprint of its weights, by which a bank knows what its codes are for."""
        return weights.fingerprint(self.state_dict())

    def ready(self) -> StyleGan:
        """Itself, made ready for use after its weights have changed."""
        self.eval().requires_grad_(False)
        self.synthesis.prepare()
        codes = self._displacements(SAMPLE, 0)
        self.unit = codes.square().sum(1).mean().sqrt() / SHELL
        return self

    def w(self, codes: torch.Tensor) -> torch.Tensor:
        """[n, w_dim]: the points of w space that codes stand for."""
        return self.mapping.mean + codes * self.unit

    def codes(self, ws: torch.Tensor) -> torch.Tensor:
        """[n, w_dim]: the codes of points of w space."""
        return (ws - self.mapping.mean) / self.unit

    def forward(self, shape: torch.Tensor, matter: torch.Tensor | None = None) -> torch.Tensor:
        """shape: [n, w_dim], where things are, which the coarse layers draw; matter: [n, w_dim], what they
        are made of, which the fine ones do (style mixing, Karras et al. 2019); None for the same."""
        coarse = self.w(shape)
        fine = coarse if matter is None else self.w(matter)
        pictures = self.synthesis(
            [coarse] * self.crossover + [fine] * (self.synthesis.n_styles - self.crossover)
        )
        pictures = (0.5 * pictures + 0.5).clamp(0, 1)
        return pictures if pictures.shape[1] == 3 else pictures.expand(-1, 3, -1, -1)

    @torch.no_grad()
    def random_codes(self, n: int, seed: int, truncation: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """(codes [n, w_dim], their classes [n], -1 where the network has none) of random z."""
        rng = torch.Generator().manual_seed(seed)
        classes = torch.randint(max(1, self.plan.mapping.c_dim), (n,), generator=rng)
        codes = truncation * self.codes(self.mapping.mean + self._displacements(n, seed, classes))
        return codes, classes if self.plan.mapping.c_dim else torch.full_like(classes, -1)

    @torch.no_grad()
    def _displacements(self, n: int, seed: int, classes: torch.Tensor | None = None) -> torch.Tensor:
        plan, rng = self.plan.mapping, torch.Generator().manual_seed(seed)
        mean = self.mapping.mean
        z = torch.randn(n, plan.z_dim, generator=rng).to(mean.device)
        one_hot = None
        if plan.c_dim:
            classes = torch.arange(n) % plan.c_dim if classes is None else classes
            one_hot = nn.functional.one_hot(classes, plan.c_dim).to(mean.device, torch.float32)
        return self.mapping(z, one_hot) - mean

    def random_bank(self, n: int = 300, seed: int = 0, truncation: float = TRUNCATION) -> Bank:
        """A bank of random codes: nobody has judged what they show, and near in w space counts as alike."""
        codes, classes = self.random_codes(n, seed, truncation)
        labels = tuple(f"class {c}" if c >= 0 else f"{i}" for i, c in enumerate(classes.tolist()))
        made = codes.numpy(force=True)
        return Bank(
            codes=made,
            classes=np.full(n, -1),
            labels=labels,
            probability=np.zeros(n, np.float32),
            judged=np.zeros(n, np.float32),
            ranks=np.zeros(n, np.int64),
            steps=np.zeros(n, np.int64),
            styles=np.zeros(n, np.int64),
            seeds=np.full(n, seed),
            looks=made / SHELL,
            space=self.space,
        )

    def in_half(self) -> StyleGan:
        """A copy whose features are float16, as cards compute fastest; what steers them stays float32."""
        network = copy.deepcopy(self)
        if self.plan.synthesis.clamp is None:  # nothing keeps its features within float16's range
            return network
        for name, tensor in [*network.synthesis.named_parameters(), *network.synthesis.named_buffers()]:
            if name.split(".")[-1] in HALVED and ".style." not in f".{name}" and "waves." not in name:
                tensor.data = tensor.data.half()
        return network

    # --- files ------------------------------------------------------------------------------------

    def save(self, path: Path | str, metadata: dict[str, str] | None = None) -> None:
        """Write a safetensors file. Raises UserError if it can't be written."""
        header = {"plan": self.plan.to_json(), **(metadata or {})}
        weights.save(path, KIND, self.state_dict(), header, half=False)

    @classmethod
    def load(cls, path: Path | str) -> StyleGan:
        """Read a file written by `save`. Raises UserError if it isn't one."""
        tensors, metadata = weights.load(path, KIND)
        try:
            plan = StyleGanPlan.from_json(metadata["plan"])
            network = cls.filled(plan, tensors)
        except (KeyError, ValueError, TypeError, RuntimeError, ZeroDivisionError):
            raise UserError(
                f"{path} holds a StyleGAN that doesn't fit its own description; import its .pkl file again."
            ) from None
        return channels_last(network)
