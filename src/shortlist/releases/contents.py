"""What may lie in a bundle: plain files, under plain names, in formats that cannot run code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from shortlist.background import give_way

# A format that is not named here is refused: the next one that can run code has no name yet.
# An ONNX file is a graph of standard operators with their weights. What could make it more, operators of
# other domains and weights in other files, its model refuses when it loads: `models/foreign/onnx_file.py`.
DATA_FORMATS = frozenset(
    {
        ".arrow", ".bin", ".csv", ".faiss", ".json", ".jsonl", ".md", ".npy", ".onnx", ".parquet",
        ".safetensors", ".txt",
    }
)  # fmt: skip
_BLOCK = 1 << 19  # a quarter of a millisecond's work


def why_unsafe_name(name: str) -> str | None:
    """Say why a name may not be listed in a bundle, or None when it may.

    Args:
        name: a path inside the bundle, with forward slashes.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or str(path) != name or "\\" in name:
        return "a path that leaves the bundle or is not plain"
    if not name.isprintable() or not name.isascii():
        return "a name with characters other than printable ASCII"
    if path.suffix not in DATA_FORMATS:
        return f"the format {path.suffix!r}, which is not known to hold data only"
    return None


def why_unsafe_content(path: Path) -> str | None:
    """Say why a file's content is refused whatever its name, or None when it is fine.

    An array of Python objects is a pickle in disguise. Other readers of `.npy` may run it.
    """
    if path.suffix != ".npy":
        return None
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            dtype = read(file)[2]
    except ValueError as error:
        return f"a file that is no array ({error})"
    return "an array of Python objects, which is a pickle" if dtype.hasobject else None


def walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything in a folder that is no folder, with its name inside; follows no link."""
    waiting = [("", folder)]
    while waiting:
        prefix, here = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((name + "/", Path(entry.path)))
                else:
                    yield name, entry


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read a block at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            give_way()
    return digest.hexdigest()
