"""The ids of a release's items on disk: one text, and where each id begins; mapped, so that loading is free.

I items, T bytes of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError, frozen, read_array, write_array
from shortlist.background import pieces

_TEXT, _STARTS = "item_ids", "item_starts"
_AT_ONCE = 1024
_CHECKED_AT_ONCE = 1 << 15
_INSIDE = 0b10  # the first bits of a byte that goes on with a letter of UTF-8


class ItemIds(Sequence[str]):
    """Ids of items 0..I-1, decoded when they are read.

    Args:
        text: uint8 [T], all ids in UTF-8, one after the other.
        starts: int64 [I + 1], where each begins, and T last.
    """

    def __init__(self, text: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self._text, self._starts = text, starts

    @classmethod
    def of(cls, ids: Sequence[str]) -> ItemIds:
        """Lay out ids."""
        encoded = [id.encode() for id in ids]
        starts = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(one) for one in encoded], out=starts[1:])
        return cls(frozen(np.frombuffer(b"".join(encoded), np.uint8)), frozen(starts))

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: int | slice) -> str | list[str]:
        """Return the id of an item, or of some."""
        if isinstance(number, slice):
            first, after, step = number.indices(len(self))
            if step == 1 and first < after:
                return self._run(first, after)
            return [self[one] for one in range(first, after, step)]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        return self._run(number, number + 1)[0]

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self._run(first, min(first + _AT_ONCE, len(self)))

    def _run(self, first: int, after: int) -> list[str]:
        base = int(self._starts[first])
        text = self._text[base : int(self._starts[after])].tobytes()
        bounds = (self._starts[first : after + 1] - base).tolist()
        return [text[start:end].decode() for start, end in pairwise(bounds)]

    def num_common(self, other: ItemIds) -> int:
        """Return how many of the first ids are the same in both."""
        most = min(len(self), len(other))
        num = _num_equal(self._starts[: most + 1], other._starts[: most + 1]) - 1
        num_bytes = int(self._starts[num])
        num_same = _num_equal(self._text[:num_bytes], other._text[:num_bytes])
        if num_same == num_bytes:
            return num
        return int(np.searchsorted(self._starts, num_same, side="right")) - 1

    def save(self, folder: Path) -> None:
        """Write `item_ids.npy` and `item_starts.npy`."""
        write_array(folder, _TEXT, self._text)
        write_array(folder, _STARTS, self._starts)

    @classmethod
    def load(cls, folder: Path) -> ItemIds:
        """Map what `save` wrote.

        Raises:
            ArrayFileError: when a file is missing or damaged.
        """
        text = read_array(folder, _TEXT, np.uint8, (None,))
        starts = read_array(folder, _STARTS, np.int64, (None,))
        fits = len(starts) and starts[0] == 0 and starts[-1] == len(text) and (np.diff(starts) >= 0).all()
        if not fits:
            raise ArrayFileError(f"{folder / _STARTS}.npy: expected where the ids of {_TEXT}.npy begin.")
        try:
            for some in pieces(len(starts) - 1, _CHECKED_AT_ONCE):
                _check_text(text, starts[some.start : some.stop + 1])
        except ValueError as error:
            raise ArrayFileError(f"{folder / _TEXT}.npy: expected ids in UTF-8: {error}.") from error
        return cls(text, starts)


def _check_text(text: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
    """Raise ValueError unless the ids that begin there, the last a bound, are UTF-8 each."""
    begun = starts[starts < len(text)]
    if (text.take(begun) >> 6 == _INSIDE).any():
        raise ValueError("an id begins inside a letter")
    text[starts[0] : starts[-1]].tobytes().decode()


def _num_equal(one: NDArray[Any], other: NDArray[Any]) -> int:
    """Return how many of the first numbers are the same in two arrays of one length."""
    is_equal = one == other
    return len(one) if is_equal.all() else int(np.argmin(is_equal))
