"""Vocabularies: strings outside, dense codes inside."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import numpy as np

from shortlist.log.columns import Strings


class Vocabulary:
    """Numbers strings 0, 1, 2, ... as they come; -1 stands for null and for a string never seen.

    Codes belong to one state in one process; what outlives it (a release) holds the strings.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._codes: dict[str, int] = {}
        self.insert(list(texts))

    def __len__(self) -> int:
        return len(self._texts)

    def code(self, text: str) -> int:
        """Return the string's code, -1 when it was never seen."""
        return self._codes.get(text, -1)

    def codes(self, texts: Sequence[str]) -> np.ndarray:
        """Return the codes int64[N] of N strings, -1 where never seen."""
        find = self._codes.get
        return np.fromiter((find(text, -1) for text in texts), np.int64, len(texts))

    def insert(self, texts: Sequence[str]) -> np.ndarray:
        """Return the codes int64[N] of N strings, numbering the new ones."""
        return np.array(self._numbered(texts), np.int64)

    def insert_column(self, column: Strings) -> np.ndarray:
        """Return the codes int64[N] of a log column of N strings, numbering the new ones."""
        return np.array([*self._numbered(column.values), -1], np.int64).take(column.codes)

    def _numbered(self, texts: Sequence[str]) -> list[int]:
        known, ordered = self._codes, self._texts
        codes = [*map(known.get, texts)]
        for place, code in enumerate(codes) if None in codes else ():
            if code is None:
                text = texts[place]
                number = codes[place] = known.setdefault(text, len(ordered))
                if number == len(ordered):
                    ordered.append(text)
        return codes  # type: ignore[return-value]

    def text(self, code: int) -> str:
        """Return the string of a code."""
        return self._texts[code]

    def texts(self, codes: Iterable[int] | None = None) -> list[str]:
        """Return the strings of some codes, or all of them in order."""
        return list(self._texts) if codes is None else [self._texts[code] for code in codes]

    @property
    def nbytes(self) -> int:
        """Bytes held, each string and its number among them; it looks at every string."""
        strings = sum(map(sys.getsizeof, self._texts))
        return (
            sys.getsizeof(self._codes) + sys.getsizeof(self._texts) + strings + len(self) * sys.getsizeof(1)
        )
