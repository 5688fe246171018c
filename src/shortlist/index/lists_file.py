"""Inverted lists on disk, in faiss's own format, and the checks that they pass before faiss reads them.

faiss trusts every length that a file tells. They all lie at its head, before the codes: so the head must
have the checksum that `index.json` gives, and the rest the size that it promises. In the rest, a damaged code
costs recall at most; the item numbers are checked one and all.

I items, K lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError
from shortlist.background import pieces
from shortlist.index.report import ListsDescription

_NAME = "index_lists.faiss"
_NUMBER = np.dtype("<i8")  # of an item, and the length of a list
_LISTS_AT_ONCE = 64


@dataclass(frozen=True)
class Sizes:
    """What the lists must be, to belong to the vectors beside them; `width` is faiss's."""

    num_items: int
    width: int
    num_lists: int
    code_bytes: int

    @property
    def body_bytes(self) -> int:
        """The codes and the item numbers, list after list."""
        return self.num_items * (self.code_bytes + _NUMBER.itemsize)


def write_lists(folder: Path, lists: Any) -> tuple[int, str]:
    """Write `index_lists.faiss`.

    Returns:
        The bytes of its head, and their SHA-256.
    """
    import faiss

    path = folder / _NAME
    faiss.write_index(lists, str(path))
    sizes = Sizes(int(lists.ntotal), int(lists.d), int(lists.nlist), int(lists.code_size))
    head_bytes = path.stat().st_size - sizes.body_bytes
    with path.open("rb") as file:
        return head_bytes, hashlib.sha256(file.read(head_bytes)).hexdigest()


def read_lists(folder: Path, sizes: Sizes, description: ListsDescription) -> Any:
    """Map `index_lists.faiss`, so that processes on one machine share it.

    Raises:
        ArrayFileError: when it is missing, damaged, or not of these sizes.
    """
    import faiss

    path = folder / _NAME
    _check(path, sizes, description)
    try:
        lists = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ArrayFileError(f"{path}: expected inverted lists: {error}") from error
    found = getattr(lists, "nlist", None), lists.d, lists.ntotal, getattr(lists, "code_size", None)
    if found != (sizes.num_lists, sizes.width, sizes.num_items, sizes.code_bytes):
        raise ArrayFileError(f"{path}: expected {sizes}, received {found}.")
    return lists


def _check(path: Path, sizes: Sizes, description: ListsDescription) -> None:
    expected = description.head_bytes + sizes.body_bytes
    try:
        if path.stat().st_size != expected:
            raise ArrayFileError(f"{path}: expected {expected} bytes, received {path.stat().st_size}.")
        with path.open("rb") as file:
            head = file.read(description.head_bytes)
    except OSError as error:
        raise ArrayFileError(f"{path}: expected inverted lists: {error}") from error
    if hashlib.sha256(head).hexdigest() != description.head_sha256:
        raise ArrayFileError(f"{path}: expected SHA-256 {description.head_sha256} of its head.")
    lengths_K = np.frombuffer(head[-_NUMBER.itemsize * sizes.num_lists :], _NUMBER)
    if len(lengths_K) != sizes.num_lists or lengths_K.min() < 0 or lengths_K.sum() != sizes.num_items:
        raise ArrayFileError(f"{path}: expected {sizes.num_lists} lists of {sizes.num_items} items in all.")
    if sizes.num_items:
        body = np.asarray(np.memmap(path, np.uint8, "r", description.head_bytes))
        is_found = np.zeros(sizes.num_items, np.bool_)
        for items in _item_numbers(body, lengths_K, sizes.code_bytes):
            is_found[items[(items >= 0) & (items < sizes.num_items)]] = True
        if not is_found.all():
            raise ArrayFileError(f"{path}: expected each of {sizes.num_items} items in one list.")


def _item_numbers(
    body: NDArray[np.uint8], lengths_K: NDArray[np.int64], code_bytes: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the items of some lists after the other; in the file they follow the codes of their list."""
    ends_K = np.cumsum(lengths_K) * (code_bytes + _NUMBER.itemsize)
    starts_K = ends_K - lengths_K * _NUMBER.itemsize
    for some in pieces(len(lengths_K), _LISTS_AT_ONCE):
        bounds = zip(starts_K[some].tolist(), ends_K[some].tolist(), strict=True)
        yield np.concatenate([body[start:end] for start, end in bounds]).view(_NUMBER)
