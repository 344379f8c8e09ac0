"""A page for phones: every control, live, in a browser."""
