"""Importing networks of other programs: their pickles are read as data, and nothing in them is run."""
