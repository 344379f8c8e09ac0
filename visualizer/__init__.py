"""A live instrument that turns any sound into pictures imagined by a neural network."""

__version__ = "0.1.0"
