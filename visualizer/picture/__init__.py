"""Finishes pixels: framing, effects, fades, sharpening, and last the flash limiter."""
