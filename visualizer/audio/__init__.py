"""Hears: devices, files, spectrum, onsets and the codebook that names every moment."""
