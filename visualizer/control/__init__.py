"""Obeys: what can be turned (presets) and triggered (actions). It knows no device and no window."""
