"""What calls of the cuda-bindings package return: an error code, and then whatever was asked for."""

from __future__ import annotations


def checked(answer: tuple, failure: type[Exception]) -> tuple:
    """What a call returned besides its error code. Raises `failure`, naming the error, if there was one."""
    error, *values = answer
    if int(error) != 0:
        raise failure(f"CUDA says {error.name}")
    return tuple(values)
