"""Paints, at show time: the generator, and what draws with it on processors and graphics cards."""
