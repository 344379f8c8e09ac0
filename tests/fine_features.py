"""What two networks see of fine detail: by how much two pictures differ in it."""

import torch
import torch.nn.functional as F

from visualizer.common import assets
from visualizer.learning.classifier import Classifier
from visualizer.learning.squeezenet import SqueezeNet
from visualizer.neural.layout import channels_last
from visualizer.neural.precision import learning_dtype


class FineFeatures:
    """The finer maps of the classifier and of SqueezeNet."""

    def __init__(self, device: torch.device | None = None) -> None:
        self._dtype = learning_dtype(device or torch.device("cpu"))
        classifier = Classifier.load(assets.model("classifier.safetensors"))
        second = SqueezeNet.load(assets.model("squeezenet.safetensors"))
        self._net = channels_last(classifier.net.to(self._dtype)).to(device)
        self._second = second.to(device, self._dtype)

    def __call__(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        x = Classifier.normalise(pictures).to(self._dtype).contiguous(memory_format=torch.channels_last)
        return [*self._net.features(x)[:3], *self._second.features(pictures)[:3]]

    def distance(self, made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean absolute difference of features, in their standard deviations."""
        with torch.no_grad():
            theirs = [m.float() for m in self(target)]
        parts = [F.l1_loss(m.float(), t) / (t.std() + 1e-3) for m, t in zip(self(made), theirs)]
        return torch.stack(parts).mean()
