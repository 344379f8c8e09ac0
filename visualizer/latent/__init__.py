"""Moves: the bank of vectors, which of them a sound calls up, and the particle on its way there."""
