"""Imported networks draw what their definitions say, and go through files unchanged."""

import os
from pathlib import Path

import numpy as np
import pytest
import stylegan_files as files
import stylegan_reference as reference
import torch

from visualizer.common.errors import UserError
from visualizer.learning.importing.stylegan import from_parts, import_network
from visualizer.learning.importing.values import read
from visualizer.neural.stylegan.imported import SHELL, StyleGan

KINDS = {
    "2": lambda: files.stylegan2(),
    "2 with classes and clamps": lambda: files.stylegan2(classes=3, clamp=1.5),
    "2 as a resnet": lambda: files.stylegan2("resnet", clamp=2.0, seed=1),
    "2 of the first kind, grey": lambda: files.stylegan2("orig", colours=1, seed=2),
    "3 t": lambda: files.stylegan3(),
    "3 r with classes and clamps": lambda: files.stylegan3(radial=True, classes=3, clamp=1.0, seed=3),
}
# Where NVIDIA's own files and what their programs made of them are at hand: NAME.pkl beside NAME.npz.
THEIRS = Path(os.environ.get("VISUALIZER_STYLEGANS", "nowhere"))


@pytest.fixture(scope="module", params=list(KINDS))
def pair(request):
    """(a generator as its authors' programs have it, the same imported)."""
    theirs = KINDS[request.param]()
    return theirs, from_parts(read(files.pickled(theirs)))


def test_it_draws_what_the_definition_says(pair):
    theirs, ours = pair
    rng = np.random.default_rng(0)
    for psi in (1.0, 0.6):
        z = rng.standard_normal((2, files.Z))
        classes = np.array([[0.0, 1.0, 0.0], [0.3, 0.0, 0.7]]) if ours.plan.mapping.c_dim else [None, None]
        w = [reference.mapping(theirs.parts["mapping"], *given, psi) for given in zip(z, classes)]
        given = None if classes[0] is None else torch.tensor(classes).float()
        with torch.no_grad():
            found = ours.mapping(torch.tensor(z).float(), given, psi)
            n = ours.synthesis.n_styles
            # Every layer its own style, so that none may be mixed up.
            styles = [found + 0.1 * i for i in range(n)]
            pictures = ours.synthesis(styles)
        np.testing.assert_allclose(found, np.stack(w), rtol=1e-4, atol=1e-4)
        expected = [
            reference.synthesis(theirs.parts["synthesis"], [v + 0.1 * i for i in range(n)]) for v in w
        ]
        np.testing.assert_allclose(pictures, np.stack(expected), rtol=1e-4, atol=1e-4)


def test_codes_are_w_about_the_average(pair):
    _, ours = pair
    codes, classes = ours.random_codes(1000, seed=5)
    assert codes.shape == (1000, files.W) and (classes.max() > 0) == (ours.plan.mapping.c_dim > 0)
    assert float(codes.square().sum(1).mean().sqrt()) == pytest.approx(SHELL, rel=0.1)
    torch.testing.assert_close(ours.codes(ours.w(codes)), codes)
    torch.testing.assert_close(ours.w(torch.zeros(1, files.W))[0], ours.mapping.mean)
    half = ours.random_codes(1000, seed=5, truncation=0.5)[0]
    torch.testing.assert_close(half, codes / 2)


def test_shape_is_coarse_and_matter_fine(pair):
    """Style mixing: the first layers follow one code, the others the other."""
    _, ours = pair
    a, b = ours.random_codes(2, seed=1)[0].split(1)
    n, cut = ours.synthesis.n_styles, ours.crossover
    assert 0 < cut < n
    mixed = ours.synthesis([ours.w(a)] * cut + [ours.w(b)] * (n - cut))
    expected = (mixed * 0.5 + 0.5).clamp(0, 1).expand(1, 3, -1, -1)
    torch.testing.assert_close(ours(a, b), expected)
    torch.testing.assert_close(ours(a), ours(a, a))
    assert ours(a, b).shape == (1, 3, ours.picture_size, ours.picture_size)
    assert not torch.equal(ours(a, b), ours(a))


def test_a_file_gives_the_same_network(pair, tmp_path):
    _, ours = pair
    ours.save(tmp_path / "mine.safetensors")
    again = StyleGan.load(tmp_path / "mine.safetensors")
    assert again.plan == ours.plan and again.space == ours.space
    codes = ours.random_codes(2, seed=2)[0]
    torch.testing.assert_close(again(codes), ours(codes))


def test_a_file_that_lies_about_its_network_is_an_error(tmp_path):
    ours = from_parts(read(files.pickled(files.stylegan3())))
    good = ours.plan.to_json()
    for told, lie in (  # sizes that no machine has room for, above all
        ('"width": 14', '"width": 1400000'),
        ('"outputs": 6', '"outputs": 600000000'),
        ('"up": 4', '"up": 4000'),
        ('"features": [12, 12]', '"features": [12, 1200000000]'),
        ('"version": 3', '"version": 2'),
        (good, "{"),
    ):
        assert told in good
        ours.save(tmp_path / "lie.safetensors", {"plan": good.replace(told, lie)})
        with pytest.raises(UserError, match=r"import its \.pkl file again"):
            StyleGan.load(tmp_path / "lie.safetensors")


@pytest.mark.skipif(not THEIRS.is_dir(), reason="VISUALIZER_STYLEGANS names no folder of .pkl and .npz files")
@pytest.mark.parametrize("path", sorted(THEIRS.glob("*.npz")), ids=lambda path: path.stem)
def test_nvidias_own_pictures_are_drawn(path):
    ours, values = import_network(path.with_suffix(".pkl")), np.load(path)
    given = {name: torch.from_numpy(values[name]) for name in values}
    for psi, suffix in ((1.0, "psi1"), (0.7, "psi07")):
        with torch.no_grad():
            w = ours.mapping(given["z"], given.get("c"), psi)
            pictures = ours.synthesis([w] * ours.synthesis.n_styles)
        torch.testing.assert_close(w, given[f"w_{suffix}"][:, 0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(pictures, given[f"image_{suffix}"], rtol=1e-4, atol=1e-4)
