"""TOML files whose every key is known: presets, set lists, MIDI maps."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from visualizer.common.errors import UserError

# A table knows its keys, and no others; docstrings tell what they are.
STRICT = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)
Table = TypeVar("Table", bound=BaseModel)


def load(kind: type[Table], path: Path) -> Table:
    """Read and check a file.

    kind: the table that the whole file is. Raises UserError that names the file, the key and what is allowed.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as text ({error}); check the file.") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}; mend that place.") from None
    except ValidationError as error:
        raise UserError(f"{path}: {_explain(kind, error)}") from None


def table_of(kind: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel]:
    """The kind of the table under some names within each other, e.g. ["drive"]; numbers: places in lists."""
    for name in path:
        if isinstance(name, str):
            field = kind.model_fields[name].annotation
            kinds = (field, *get_args(field))  # of a list, and of a table that may be missing, the second
            kind = next(each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel))
    return kind


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    place, allowed = first["loc"], ""
    if first["type"] == "value_error":  # of our own validators
        return f"{first['ctx']['error']}."
    if place[-1] == "[key]":  # of a table whose keys are some words
        place, allowed = place[:-1], first["ctx"]["expected"].replace("'", "")
    elif first["type"] == "extra_forbidden":
        allowed = ", ".join(table_of(kind, place[:-1]).model_fields)
    key = ".".join(map(str, place))
    if allowed:
        return f"unknown key {key!r}; allowed here are {allowed}."
    if first["type"] == "missing":
        return f"the key {key!r} is missing; add it."
    must = first["msg"].replace("Input should", "it must")
    if first["type"] == "model_type":
        must = "it must be a table"
    return f"{key} = {first['input']!r} won't do; {must}."
