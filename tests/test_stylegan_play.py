"""Imported networks in the program: painters, banks, dreams, videos, and what doesn't fit together."""

import av
import numpy as np
import pytest
import stylegan_files as files
import torch
from PIL import Image

from visualizer.audio.accents import Accents
from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.control.banks import Banks
from visualizer.control.repertoire import Repertoire
from visualizer.latent.bank import Bank
from visualizer.learning import inversion
from visualizer.learning.classifier import Classifier
from visualizer.learning.importing.stylegan import from_parts
from visualizer.learning.importing.values import read
from visualizer.neural import generators
from visualizer.neural.generator import Generator
from visualizer.neural.inference import TorchPainter, make_painter, pictures_a_second
from visualizer.neural.stylegan.imported import StyleGan
from visualizer.picture.effects.effects import Effects
from visualizer.picture.stage import Stage

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["2", "3"])
def network(request):
    """A network whose pictures keep within -1..1, so that not everything is black or white."""
    theirs = files.stylegan2(clamp=0.5) if request.param == "2" else files.stylegan3(clamp=2.0)
    return from_parts(read(files.pickled(theirs)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a generator of each kind, and a bank."""
    folder = tmp_path_factory.mktemp("stylegans")
    for name, theirs in (("two", files.stylegan2(clamp=0.5)), ("three", files.stylegan3(clamp=2.0))):
        (folder / f"{name}.pkl").write_bytes(files.pickled(theirs))
        network = from_parts(read(files.pickled(theirs)))
        network.save(folder / f"{name}.safetensors")
        network.random_bank(5).save(folder / f"{name}-bank.safetensors")
    return folder


def test_painters_draw_what_the_network_does(network):
    shape, matter = network.random_codes(6, 0, 0.7)[0].split(3)
    plain = network(shape, matter).permute(0, 2, 3, 1).numpy() * 255
    shape, matter = shape.numpy(), matter.numpy()
    size = network.picture_size
    for painter, bound in ((make_painter(network, CPU, 1), 2.0), (TorchPainter(network, CPU), 0.6)):
        pictures = painter(shape, matter)
        assert pictures.dtype == np.uint8 and pictures.shape == (3, size, size, 3)
        assert np.abs(pictures - plain).mean() < bound, painter.name
        # Still is still: the noise is always the same.
        assert np.array_equal(painter(shape, matter), painter(shape, matter))
        assert np.array_equal(painter(shape), painter(shape, shape))
    assert pictures_a_second(painter, shape[:1]) > 1


def test_halved_features_keep_the_picture(network):
    """What a card draws with: half the bits for features, all for what steers them."""
    codes = network.random_codes(2, 0, 0.7)[0]
    halved = network.in_half()
    assert halved.synthesis.state_dict() and network.mapping.mean.dtype == torch.float32
    assert (halved(codes).float() - network(codes)).abs().mean() < 2 / 255


def test_random_vectors_play_where_the_preset_has_none_for_it(network, tmp_path):
    network.save(tmp_path / "mine.safetensors")
    space = generators.space(network, tmp_path / "mine.safetensors")
    look = Repertoire("garden", banks=Banks(None, space, generators.made_up(network))).load(3)
    assert look.targets.shape == (len(look.codebook), network.code_dim) and not look.own_bank
    assert len(np.unique(look.targets, axis=0)) > 90


def test_a_bank_knows_its_generator(folder):
    two, three = (StyleGan.load(folder / f"{name}.safetensors") for name in ("two", "three"))
    space = generators.space(two, folder / "two.safetensors")
    path = folder / "two-bank.safetensors"
    look = Repertoire("garden", banks=Banks(path, space)).load(3)
    assert {tuple(t) for t in look.targets} <= {tuple(c) for c in Bank.load(path).codes}
    assert two.code_dim == three.code_dim and two.space != three.space
    for wrong in (folder / "three-bank.safetensors", assets.model("bank.safetensors")):
        with pytest.raises(
            UserError, match=rf"{wrong} is a bank for another generator than .*two.safetensors"
        ):
            Repertoire("garden", banks=Banks(wrong, space)).load(0)


def test_a_preset_that_names_its_own_bank(folder):
    (folder / "mine.toml").write_text('title = "Mine"\n[bank]\nfile = "two-bank.safetensors"\n')
    network = StyleGan.load(folder / "two.safetensors")
    banks = Banks(None, generators.space(network, folder / "two.safetensors"), generators.made_up(network))
    look = Repertoire(str(folder / "mine.toml"), banks=banks).load(0)
    assert look.own_bank and len(look.bank) == 5
    other = generators.load()
    with pytest.raises(UserError, match=r"two-bank\.safetensors is a bank for another generator"):
        Repertoire(str(folder / "mine.toml"), banks=Banks(None, generators.space(other))).load(0)


def test_a_given_bank_need_not_have_what_presets_ask_for():
    bank = Bank.load(assets.model("bank.safetensors"))
    dogs = bank.choose(groups=["dogs"])
    repertoire = Repertoire("garden", banks=Banks(assets.model("bank.safetensors")))
    assert len(repertoire.load(3).targets)

    preset, _ = Banks(assets.model("bank.safetensors")).choose(
        repertoire.load(3).preset, repertoire.paths[3], lambda path: dogs
    )
    assert not preset.bank.groups and not preset.bank.classes


def test_frames_follow_the_size_of_the_pictures():
    """A stage that was made for other pictures: its frames are as if it had always had these."""
    repertoire = Repertoire("reef")
    preset = repertoire.load(repertoire.start).preset
    rng = np.random.default_rng(0)
    for size in (64, 512):
        picture = torch.from_numpy(rng.integers(0, 255, (size, size, 3), np.uint8))
        stage, fitting = Stage(16 / 9), Stage(16 / 9, picture_size=size)
        for s in (stage, fitting):
            s.play(preset, s.effects(preset), 0)
        for _ in range(3):
            frame = stage(picture, Accents(-20.0), 1 / 30)
            assert torch.equal(frame, fitting(picture, Accents(-20.0), 1 / 30))
        assert frame.shape[0] == Effects(preset.display, preset.drive, 16 / 9, size)._shape[0]


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_from_a_pickle_to_a_video(visualizer, folder, song, tmp_path):
    """The three commands of the first page."""
    done = visualizer("import", folder / "three.pkl", "-o", "mine.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mine = ("--generator", "mine.safetensors")
    done = visualizer("dream", "--random", 6, *mine, "-o", "bank.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bank = Bank.load(tmp_path / "bank.safetensors")
    assert len(bank) == 6 and bank.space == StyleGan.load(tmp_path / "mine.safetensors").space
    assert bank.labels[0] in Classifier.load(assets.model("classifier.safetensors")).labels
    video = ("--size", "64x64", "--fps", 5, "--preset", "everything")
    done = visualizer(
        "render", song, "-o", "c.mp4", *mine, "--bank", "bank.safetensors", *video, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    frames = frames_of(tmp_path / "c.mp4").astype(float)
    assert len(frames) == 10 and np.abs(np.diff(frames, axis=0)).mean() > 0.5 and frames.std() > 5
    for file in ("mine.safetensors", "bank.safetensors"):
        given = () if file == "mine.safetensors" else mine
        done = visualizer("sheet", file, "-o", "sheet.png", *given, cwd=tmp_path)
        assert done.returncode == 0 and Image.open(tmp_path / "sheet.png").width == 12 * 128, done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("render", "SONG", "-o", "c.mp4", "--generator", "two.pkl"), "has to be imported first"),
        (
            ("render", "SONG", "-o", "c.mp4", "--bank", "two-bank.safetensors"),
            "two-bank.safetensors is a bank for another generator",
        ),
        (("dream", "-o", "b.safetensors", "--random", "3"), "only an imported StyleGAN"),
        (
            ("dream", "-o", "b.safetensors", "--random", "3", "--classes", "fox"),
            "--random doesn't climb",
        ),
        (
            ("dream", "-o", "b.safetensors", "--photos", ".", "--generator", "two.safetensors"),
            "encode them for it",
        ),
        (
            ("sheet", "two-bank.safetensors", "-o", "s.png", "--generator", "three.safetensors"),
            "is a bank for another generator",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(visualizer, folder, song, arguments, sentence):
    done = visualizer(*(song if a == "SONG" else a for a in arguments), cwd=folder)
    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not any((folder / name).exists() for name in ("c.mp4", "b.safetensors", "s.png"))


def test_climbing_in_w_space(visualizer, folder, tmp_path):
    """The classifier sees more of the class where climbs ended than where they began."""
    done = visualizer(
        *("dream", "-o", tmp_path / "b.safetensors", "--generator", folder / "two.safetensors"),
        *("--classes", "jellyfish, daisy", "--count", 1, "--stop-at", 0.002, "--steps", 5),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    bank = Bank.load(tmp_path / "b.safetensors")
    network = StyleGan.load(folder / "two.safetensors")
    assert bank.codes.shape[1] == network.code_dim and bank.space == network.space
    assert set(bank.labels) <= {"jellyfish", "daisy"} and bank.steps.max() > 0
    norms = np.linalg.norm(bank.codes, axis=1)
    assert (norms < 80).all() and (norms > 10).all()


def test_inversion_finds_a_picture_again():
    """Of its own pictures, from the average one."""
    network = from_parts(read(files.pickled(files.stylegan2(clamp=0.5))))
    classifier = Classifier.load(assets.model("classifier.safetensors"))
    wanted = network.random_codes(2, 3, 0.6)[0]
    photos = torch.nn.functional.interpolate(network(wanted), 256, mode="bilinear")
    found = inversion.invert(network, classifier, photos, steps=25)

    def away(codes):
        return (network(codes) - network(wanted)).abs().mean((1, 2, 3))

    assert (away(found) < 0.6 * away(torch.zeros_like(wanted))).all()
    assert found.norm(dim=1).max() <= inversion.STRONGEST * 64 + 0.01


def test_own_banks_still_play():
    """A bank without a mark is known by the length of its codes alone, as those of older versions are."""
    generator = generators.load()
    assert isinstance(generator, Generator) and generator.space
    bank = Bank.load(assets.model("bank.safetensors"))
    assert generators.space(generator).holds(bank)
