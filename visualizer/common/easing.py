"""Going over softly."""


def ease(progress: float) -> float:
    """From 0 at 0 to 1 at 1, standing still at both ends (smoothstep)."""
    p = min(max(progress, 0.0), 1.0)
    return p * p * (3 - 2 * p)
