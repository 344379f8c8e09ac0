"""Learning to draw a figure from its pose, by people in photos."""
