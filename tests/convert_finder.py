"""Convert BlazePose once from the packages that hold it:

    pip download --no-deps mediapipe==0.10.14
    npm pack @mediapipe/pose@0.5.1675469404
    python tests/convert_finder.py mediapipe-0.10.14-*.whl mediapipe-pose-*.tgz models/finder.safetensors

The wheel has the network that finds people, the npm package those that find their points, as TensorFlow
Lite files, which OpenVINO reads. Of these the full one is shipped, and what training needs of the lite one;
a last argument, "heavy", makes a finder to judge by.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov
import torch

from visualizer.common import weights
from visualizer.learning.finding.graph import Graph

SOURCE = (
    "BlazePose, Apache License 2.0, (c) The MediaPipe Authors; PyPI mediapipe 0.10.14, "
    "modules/pose_detection/pose_detection.tflite, and npm @mediapipe/pose 0.5.1675469404, "
    "pose_landmark_full.tflite and pose_landmark_lite.tflite; layers as they were, numbers in float16"
)
# What each network's outputs are for.
DETECTOR = {"Identity": "boxes", "Identity_1": "scores"}
POINTS = {
    "Identity": "points",
    "Identity_1": "presence",
    "Identity_2": "mask",
    "Identity_3": "heat",
    "Identity_4": "world",
}


QUICK = {"Identity": "points", "Identity_1": "presence"}


def read(model: ov.Model, called: dict[str, str], prefix: str) -> tuple[Graph, dict[str, torch.Tensor]]:
    """A network as steps; its tensors' names begin with the prefix."""
    steps, tensors, constants = [], {}, {}
    names = {}

    def fold(node: ov.Node) -> np.ndarray | None:
        """A constant's value, worked out; None for what depends on the picture."""
        key = node.get_name()
        if key not in constants:
            constants[key] = None
            kind, inputs = node.get_type_name(), [i.get_source_output().get_node() for i in node.inputs()]
            if kind == "Constant":
                constants[key] = np.array(node.get_data())
            elif inputs and all(fold(i) is not None for i in inputs):
                values = [fold(i) for i in inputs]
                if kind == "Convert":
                    constants[key] = values[0].astype(np.float32)
                elif kind == "Unsqueeze":
                    constants[key] = np.expand_dims(values[0], tuple(np.atleast_1d(values[1])))
                elif kind == "Transpose":
                    constants[key] = values[0].transpose(values[1])
                elif kind == "Reshape":
                    constants[key] = values[0].reshape(node.get_output_shape(0))
                else:
                    raise ValueError(f"{kind} of {node.get_name()}")
        return constants[key]

    outputs = {}
    for node in model.get_ordered_ops():
        kind, key = node.get_type_name(), node.get_name()
        if kind == "Parameter":
            names[key] = "pictures"
            continue
        if fold(node) is not None:
            continue
        inputs = [i.get_source_output().get_node() for i in node.inputs()]
        if kind == "Result":
            found = set(node.input(0).get_source_output().names) & set(called)
            if not found:
                continue
            (output,) = found
            outputs[called[output]] = names[inputs[0].get_name()]
            continue
        if kind == "Convert":  # all is float32 here
            names[key] = names[inputs[0].get_name()]
            continue
        attributes = node.get_attributes()
        taken = inputs
        if kind in ("Convolution", "GroupConvolution"):
            assert attributes["dilations"] == [1, 1]
            step = {
                "op": "convolution",
                "strides": attributes["strides"],
                "pads": [attributes["pads_begin"], attributes["pads_end"]],
            }
        elif kind == "Add":
            step = {"op": "add"}
        elif kind == "Clamp":
            step = {"op": "clamp", "min": attributes["min"], "max": attributes["max"]}
        elif kind == "Sigmoid":
            step = {"op": "sigmoid"}
        elif kind == "Concat":
            step = {"op": "concat", "axis": attributes["axis"]}
        elif kind == "DepthToSpace":
            assert attributes["mode"] == "blocks_first"
            step = {"op": "depth_to_space", "size": attributes["block_size"]}
        elif kind == "MaxPool":
            assert attributes["pads_begin"] == attributes["pads_end"] == [0, 0]
            step = {"op": "max_pool", "kernel": attributes["kernel"], "strides": attributes["strides"]}
        elif kind == "Pad":
            taken, (begin, end) = inputs[:1], (fold(i).tolist() for i in inputs[1:3])
            step = {"op": "pad", "begin": begin, "end": end}
        elif kind == "Reshape":
            taken, step = inputs[:1], {"op": "reshape", "shape": list(node.get_output_shape(0))[1:]}
        elif kind == "Transpose":
            taken, step = inputs[:1], {"op": "transpose", "order": fold(inputs[1]).tolist()}
        elif kind == "Interpolate":
            assert attributes["coordinate_transformation_mode"] == "half_pixel"
            taken, step = inputs[:1], {"op": "enlarge", "size": list(node.get_output_shape(0))[1:3]}
        else:
            raise ValueError(f"{kind} of {node.get_name()}")
        for i in taken:
            other = i.get_name()
            if other not in names:  # a constant
                names[other] = f"{prefix}{len(tensors)}"
                value = np.ascontiguousarray(fold(i), dtype=np.float32)
                if value.ndim == 5:  # a filter for each channel
                    value = value.reshape(-1, *value.shape[2:])
                tensors[names[other]] = torch.from_numpy(value)
        names[key] = f"m{len(steps)}"
        steps.append({**step, "in": [names[i.get_name()] for i in taken], "out": names[key]})
    return Graph(_needed(steps, outputs), outputs, {}), tensors


def _needed(steps: list[dict], outputs: dict[str, str]) -> list[dict]:
    """Those of the steps that an output depends on."""
    wanted, kept = set(outputs.values()), []
    for step in reversed(steps):
        if step["out"] in wanted:
            kept.append(step)
            wanted |= set(step["in"])
    return kept[::-1]


def tflite(package: Path, name: str) -> bytes:
    """A file of a wheel or an npm package, by the end of its name."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return archive.read(next(n for n in archive.namelist() if n.endswith(name)))
    with tarfile.open(package) as archive:
        return archive.extractfile(next(m for m in archive if m.name.endswith(name))).read()


def opened(package: Path, name: str) -> ov.Model:
    """A network of a package, as OpenVINO reads it."""
    path = Path(f"{name}.part.tflite")
    path.write_bytes(tflite(package, name))
    try:
        return ov.Core().read_model(path)
    finally:
        path.unlink()


def converted(wheel: Path, npm: Path, points: str = "full") -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, texts) of the finder. points: which network finds the points, lite, full or heavy."""
    texts, tensors = {}, {}
    for part, package, name, called in (
        ("detector", wheel, "pose_detection.tflite", DETECTOR),
        ("points", npm, f"pose_landmark_{points}.tflite", POINTS),
        ("quick", npm, "pose_landmark_lite.tflite", QUICK),
    ):
        graph, found = read(opened(package, name), called, f"{part}_")
        texts[part] = graph.text
        used = {name for step in graph._steps for name in step["in"]}
        tensors |= {name: tensor for name, tensor in found.items() if name in used}
    return tensors, texts


if __name__ == "__main__":
    tensors, texts = converted(*map(Path, sys.argv[1:3]), *sys.argv[4:])
    weights.save(sys.argv[3], "finder", tensors, {**texts, "source": SOURCE})
