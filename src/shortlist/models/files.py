"""How a fitted model lies on disk: one `model.json`, and arrays as `.npy`; never a pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike, NDArray

from shortlist.arrays import ArrayFileError, frozen, write_array
from shortlist.arrays import read_array as _read_array
from shortlist.index.contract import StoredIndex
from shortlist.index.stored import load_index
from shortlist.models.contract import FeatureColumn
from shortlist.models.errors import ModelFileError

__all__ = [
    "columns_from_json", "columns_to_json", "frozen",
    "read_array", "read_description", "read_index", "write_array", "write_description",
]  # fmt: skip

_DESCRIPTION = "model.json"
_FORMAT = 1


def write_description(folder: Path, kind: str, **fields: Any) -> None:
    """Write `model.json`: the kind, the format, and the model's own fields (plain JSON values)."""
    description = {"kind": kind, "format": _FORMAT, **fields}
    text = json.dumps(description, indent=1, allow_nan=False)
    (folder / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_description(folder: Path, kind: str, **expected: type | tuple[type, ...]) -> dict[str, Any]:
    """Read `model.json` and check its kind, its format and the type of each expected field.

    Raises:
        ModelFileError: when the file is missing, damaged, or of another kind or format.
    """
    path = folder / _DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: expected the description of a model: {error}") from error
    if not isinstance(description, dict) or description.get("kind") != kind:
        found = description.get("kind") if isinstance(description, dict) else description
        raise ModelFileError(f"{path}: expected a model of kind {kind!r}, received {found!r}.")
    if description.get("format") != _FORMAT:
        raise ModelFileError(
            f"{path}: expected format {_FORMAT}, received {description.get('format')!r}. "
            "Load it with the version of Shortlist that wrote it, or train again."
        )
    for name, types in expected.items():
        if not isinstance(description.get(name), types):
            raise ModelFileError(f"{path}: field {name!r} is missing or of the wrong type.")
    return description


def columns_to_json(columns: Sequence[FeatureColumn]) -> list[dict[str, Any]]:
    """Write feature columns as JSON values."""
    return [
        {"name": column.name, "categorical": column.categorical, "cardinality": column.cardinality}
        for column in columns
    ]


def columns_from_json(folder: Path, value: list[Any]) -> tuple[FeatureColumn, ...]:
    """Read feature columns back.

    Raises:
        ModelFileError: when an entry is no column.
    """
    types = {"name": str, "categorical": bool, "cardinality": int}
    for entry in value:
        if not isinstance(entry, dict) or {key: type(found) for key, found in entry.items()} != types:
            raise ModelFileError(f"{folder / _DESCRIPTION}: expected a feature column, received {entry!r}.")
    return tuple(FeatureColumn(**entry) for entry in value)


def read_array(folder: Path, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map `<name>.npy`; see `arrays.read_array`.

    Raises:
        ModelFileError: when it is missing, damaged, or of another type or shape.
    """
    try:
        return _read_array(folder, name, dtype, shape)
    except ArrayFileError as error:
        raise ModelFileError(str(error)) from error


def read_index(folder: Path) -> StoredIndex:
    """Map the index that lies beside a model; see `index.stored.load_index`.

    Raises:
        ModelFileError: when it is missing, damaged, or of an unknown kind.
    """
    try:
        return load_index(folder)
    except ArrayFileError as error:
        raise ModelFileError(str(error)) from error
