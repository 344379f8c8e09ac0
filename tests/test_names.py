"""Classes by the names that people write, against what the classes are called."""

import pytest

from visualizer.common import assets
from visualizer.common.errors import UserError
from visualizer.latent import names
from visualizer.learning.classifier import Classifier


@pytest.fixture(scope="module")
def labels():
    return Classifier.load(assets.model("classifier.safetensors")).labels


def test_every_class_is_found_by_its_own_name(labels):
    for number, label in enumerate(labels):
        assert number in names.find(label)


@pytest.mark.parametrize(
    "written, meant",
    [
        ("goldfish", {"goldfish"}),
        ("Red Foxes", {"red fox"}),
        ("red-fox", {"red fox"}),
        ("SEA LIONS", {"sea lion"}),
        ("sealion", {"sea lion"}),
        ("daisies", {"daisy"}),
        ("St. Bernard", {"Saint Bernard"}),
        ("orca", {"killer whale"}),
        ("gray wolf", {"timber wolf"}),
        ("hot dog", {"hotdog"}),
        ("Carassius auratus", {"goldfish"}),
        ("sharks", {"great white shark", "tiger shark"}),
        ("piano", {"grand piano"}),
        ("crane", {"crane"}),
    ],
)
def test_people_write_names_in_many_ways(labels, written, meant):
    assert {labels[number] for number in names.find(written)} == meant


def test_groups_are_names_too(labels):
    birds = {labels[number] for number in names.find("birds")}
    assert {"robin", "king penguin", "ostrich", "macaw"} <= birds
    assert not birds & {"bee", "goldfish", "airliner"}
    assert names.find("bird") == names.find("Birds")


@pytest.mark.parametrize("written, words", [("goldfsh", "goldfish"), ("dasy", "daisy"), ("", "ImageNet")])
def test_unknown_names_suggest_the_nearest(written, words):
    with pytest.raises(UserError, match=words):
        names.find(written)
