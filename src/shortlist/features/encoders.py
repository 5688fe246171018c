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
_NOTHING_NUMBERED = np.array([np.nan])


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
        self._tables: dict[str, tuple[Vocabulary, np.ndarray]] = {}

    @property
    def num_columns(self) -> int:
        """How many columns the matrix has."""
        return len(self.names)

    def encode(self, name: str, values: Values) -> np.ndarray:
        """Return a text column's category numbers, float64 [N], NaN for null and unlisted text."""
        assert values.vocabulary is not None
        table = self._table(name, values.vocabulary)
        return table[np.where(values.known, values.values, -1)]

    def _table(self, name: str, vocabulary: Vocabulary) -> np.ndarray:
        """Return the category number of every code, and NaN last, where code -1 finds it."""
        owner, table = self._tables.get(name, (vocabulary, _NOTHING_NUMBERED))
        if owner is not vocabulary:
            table = _NOTHING_NUMBERED
        num_known, size = len(table) - 1, len(vocabulary)
        if num_known < size:
            # A vocabulary only grows; numbering it anew for each new text would hold every reader up.
            numbers = self._numbers[name]
            added = [numbers.get(text, np.nan) for text in vocabulary.texts(range(num_known, size))]
            table = np.concatenate([table[:-1], added, table[-1:]])
        self._tables[name] = (vocabulary, table)
        return table

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
