"""Obeys: one table of all that can be turned and triggered, the ways to it, and presets."""
