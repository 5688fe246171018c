"""Item vectors that were made elsewhere, as a table; a user is the mean of the last items' vectors.

B users, L history, D width, I items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.features.kernels.arrays import as_int64
from shortlist.index.allowed import Allowed
from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelError, ModelFileError, require
from shortlist.models.files import read_description, read_index, write_description
from shortlist.models.retrieval import (
    NO_ITEM,
    FittedVectors,
    Interactions,
    RetrievalModel,
    UserBatch,
    nothing_for_zeros,
)

_ABSENT = -2.0  # what an item without a vector scores for everybody, when no cosine is below -1
_ABOVE_ABSENT = -1.5


@dataclass(frozen=True)
class VectorTable(RetrievalModel):
    """A Parquet file with an item's id and its vector in each row: of texts, images, or another model.

    The score of an item is the cosine of its vector with the user's; an item that the table does not have
    is never found. Nothing is learnt.

    Args:
        path: of the file; it is read when the model is fitted, and its vectors are copied into the release.
        history: how many of the user's last items count, each as much as another.
        id_column: the column of ids, numbers or texts, as the log writes them.
        vector_column: the column of lists of numbers, all of one length.

    Raises:
        ModelError: when a setting is out of range.
    """

    path: str
    history: int = 10
    id_column: str = "item"
    vector_column: str = "vector"
    kind: ClassVar[str] = "vector_table"

    def __post_init__(self) -> None:
        for name in ("path", "id_column", "vector_column"):
            value = getattr(self, name)
            given = isinstance(value, str) and bool(value)
            require(given, f"VectorTable.{name}", expected="a text", received=value)
        require(self.history >= 1, "VectorTable.history", expected="at least 1", received=self.history)

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedVectorTable:
        """Look up the vector of each item by its id; `seed` changes nothing.

        Raises:
            ModelError: when the file cannot be read, is not as described, or has none of the items.
        """
        require(
            interactions.item_ids is not None, "VectorTable", expected="interactions with the items' ids",
            received="none",
        )  # fmt: skip
        assert interactions.item_ids is not None
        ids, vectors = self._read()
        row_of = {one: row for row, one in enumerate(ids)}
        rows_I = np.array([row_of.get(str(one), -1) for one in interactions.item_ids], np.int64)
        if interactions.num_items and not (rows_I >= 0).any():
            raise ModelError(
                f"{self!r}: expected vectors of this log's items, such as "
                f"{', '.join(map(repr, interactions.item_ids[:3]))}; received {len(ids)} of others, such as "
                f"{', '.join(map(repr, ids[:3]))}. Write the ids as the log does."
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.where(norms > 0, norms, 1.0)
        found_ID = np.where(rows_I[:, None] >= 0, unit[rows_I], np.float32(0.0))
        if progress is not None:
            progress(1, 1)
        return FittedVectorTable(ExactIndex(_with_bias(found_ID, rows_I >= 0)), self.history)

    def _read(self) -> tuple[list[str], NDArray[np.float32]]:
        """Return the ids, as texts, and the vectors float32 [rows, D]."""
        import duckdb  # heavy, and needed to fit only

        columns = ", ".join(_quoted(name) for name in (self.id_column, self.vector_column))
        if not Path(self.path).is_file():
            raise ModelError(f"VectorTable.path: expected a Parquet file, received {self.path!r}.")
        try:
            with duckdb.connect() as connection:
                found: dict[str, Any] = connection.execute(
                    f"SELECT {columns} FROM read_parquet(?)", [self.path]
                ).fetchnumpy()
            ids = [str(one) for one in found[self.id_column].tolist()]
            vectors = np.array([np.asarray(one, np.float32) for one in found[self.vector_column]])
        except (duckdb.Error, ValueError, TypeError) as error:
            raise ModelError(
                f"{self!r}: expected a Parquet file whose column {self.id_column!r} holds ids and "
                f"{self.vector_column!r} lists of numbers, all of one length: {error}"
            ) from error
        is_table = vectors.ndim == 2 and vectors.shape[1] > 0 and bool(np.isfinite(vectors).all())
        require(is_table, repr(self), expected="finite vectors of one length", received=vectors.shape)
        require(len(set(ids)) == len(ids), repr(self), expected="each id once", received="some twice")
        return ids, vectors


class FittedVectorTable(FittedVectors):
    """Unit vectors, and how many of a history's items make a user's."""

    kind: ClassVar[str] = "vector_table"

    def __init__(self, index: StoredIndex, history: int) -> None:
        self.index, self._history = index, history

    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the mean of the last items' vectors, of length one; of the items that have a vector."""
        from shortlist.models.table.mean import fill_mean  # compiled: heavy to import

        vectors_BD = np.zeros((len(users), self.index.width), np.float32)
        for vector_D, history_L in zip(vectors_BD, users.history, strict=True):
            fill_mean(self.index.vectors, as_int64(history_L), self._history, vector_D)
            vector_D /= np.sqrt(vector_D.dot(vector_D)) or 1.0
            vector_D[-1] = 1.0
        return vectors_BD

    def retrieve(
        self, users: UserBatch, n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Search the index for what has a vector; nothing is found for a history without vectors."""
        vectors_BD = self.user_vectors(users)
        found = self.index.search(vectors_BD, n, allowed)
        items_BN, scores_BN = nothing_for_zeros(vectors_BD[:, :-1], *found)
        is_absent_BN = scores_BN < _ABOVE_ABSENT
        if not is_absent_BN.any():
            return items_BN, scores_BN
        return np.where(is_absent_BN, np.int32(NO_ITEM), items_BN), np.where(
            is_absent_BN, np.float32(0.0), scores_BN
        )

    def save(self, folder: Path) -> None:
        """Write `model.json` and the index."""
        write_description(folder, self.kind, history=self._history)
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, history=int)
        index = read_index(folder)
        if index.width < 2 or description["history"] < 1:
            raise ModelFileError(f"{folder}: expected vectors with a bias, and a history of at least 1.")
        return cls(index, description["history"])


def _with_bias(vectors_ID: NDArray[np.float32], is_known_I: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Append a coordinate that puts an item without a vector below every cosine."""
    bias_I = np.where(is_known_I, np.float32(0.0), np.float32(_ABSENT))
    return np.concatenate([vectors_ID, bias_I[:, None]], axis=1).astype(np.float32)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
