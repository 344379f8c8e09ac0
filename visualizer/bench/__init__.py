"""Measures how fast this machine is."""
