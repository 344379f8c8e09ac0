"""A live instrument that turns any sound into pictures imagined by a neural network."""

import sys

__version__ = "0.1.0"

# Imported, OpenVINO reports to an analytics service and leaves files in the home directory, unless this
# package is missing: so it is, for whatever is imported after this one.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
