"""Encodings: from text to the category numbers that a model was trained with; part of a release.

Shape legend: N rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary

_FILE = "encoding.json"


class Numbering:
    """The category number of every text of a vocabulary, which may grow.

    Args:
        numbers: by text, those that have one.
        vocabulary: what numbers the texts.
    """

    def __init__(self, numbers: Mapping[str, float], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._numbers = numbers
        self._table, self._num_known = np.full(64, np.nan), 0

    def table(self) -> np.ndarray:
        """Return float64[more than texts]: the number of code c in place c + 1, NaN for none and for -1."""
        size = len(self.vocabulary)
        if self._num_known < size:
            # A vocabulary only grows; numbering it anew for each new text would hold every reader up.
            if size >= len(self._table):
                larger = np.full(2 * size, np.nan)
                larger[: len(self._table)] = self._table
                self._table = larger
            find = self._numbers.get
            new = range(self._num_known, size)
            self._table[self._num_known + 1 : size + 1] = [
                find(text, np.nan) for text in self.vocabulary.texts(new)
            ]
            self._num_known = size
        return self._table


class Encoding:
    """The columns of a feature matrix, in order, and the categories of those that hold text.

    Args:
        names: every column's name.
        categories: by column, the texts that have a number of their own; any other becomes NaN.
    """

    def __init__(self, names: Sequence[str], categories: Mapping[str, Sequence[str]]) -> None:
        self.names = tuple(names)
        self.categories = {name: list(texts) for name, texts in categories.items()}
        self._numbers = {
            name: {text: float(number) for number, text in enumerate(texts)}
            for name, texts in self.categories.items()
        }
        self._numberings: dict[str, Numbering] = {}

    @property
    def num_columns(self) -> int:
        """How many columns the matrix has."""
        return len(self.names)

    def encode(self, name: str, values: Values) -> np.ndarray:
        """Return a text column's category numbers, float64 [N], NaN for null and unlisted text."""
        assert values.vocabulary is not None
        numbering = self._numberings.get(name)
        if numbering is None or numbering.vocabulary is not values.vocabulary:
            numbering = self._numberings[name] = self.numbering(name, values.vocabulary)
        encoded: np.ndarray = numbering.table()[np.where(values.known, values.values, -1) + 1]
        return encoded

    def numbers(self, name: str) -> Mapping[str, float]:
        """Return the category numbers of a text column, by text."""
        return self._numbers[name]

    def numbering(self, name: str, vocabulary: Vocabulary) -> Numbering:
        """Return the category numbers of a text column for the texts of a vocabulary."""
        return Numbering(self._numbers[name], vocabulary)

    def save(self, folder: Path) -> None:
        """Write the encoding into a folder of a release."""
        body = {"names": self.names, "categories": self.categories}
        (folder / _FILE).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoding:
        """Read what `save` wrote."""
        body = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(body["names"], body["categories"])


def frequent_categories(values: Values, *, min_count: int, max_categories: int) -> list[str]:
    """Return the texts that appear at least `min_count` times, the most frequent first.

    Ties are ordered by text, so that the same data gives the same numbers.
    """
    assert values.vocabulary is not None
    counts = np.bincount(values.values[values.known], minlength=len(values.vocabulary))
    frequent = [(-int(count), text) for count, text in zip(counts, values.vocabulary.texts(), strict=True)]
    return [text for negative, text in sorted(frequent) if -negative >= min_count][:max_categories]
