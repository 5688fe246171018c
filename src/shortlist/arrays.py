"""Arrays on disk: `.npy` files without pickles, mapped into memory so that processes share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class ArrayFileError(ValueError):
    """An array's file that is missing, damaged, or of another type or shape."""


def write_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write an array as `<name>.npy`."""
    np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_array(folder: Path, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map `<name>.npy` into memory, read-only, so that processes on one machine share it.

    Args:
        folder: where it was written.
        name: its name, without the ending.
        dtype: the element type it must have.
        shape: the shape it must have; None is any length.

    Raises:
        ArrayFileError: when it is missing, damaged, or of another type or shape.
    """
    path = folder / f"{name}.npy"
    try:
        # Not `np.load`, which opens a zip and a pickle, too, by how a file begins.
        with np.errstate(over="raise"):  # of a shape whose product wraps
            array = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except Exception as error:  # a header is parsed as Python is, and a damaged one fails in as many ways
        raise ArrayFileError(f"{path}: expected an array: {error}") from error
    fits = array.ndim == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        raise ArrayFileError(
            f"{path}: expected {np.dtype(dtype)} of shape {shape}, received {array.dtype} {array.shape}."
        )
    return array


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view, so that a fitted array and a loaded one behave (and compile) alike."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view
