"""The workshop: training, dreaming, encoding, sheets. No show needs it."""
