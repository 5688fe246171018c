"""What every index must hold to. An index's tests inherit a suite and build it:

class TestExactIndex(StoredIndexConformance):
    def built(self, vectors):
        return ExactIndex(vectors)
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from shortlist.arrays import ArrayFileError
from shortlist.index.allowed import Allowed
from shortlist.index.choose import recall_of
from shortlist.index.contract import StoredIndex, VectorIndex
from shortlist.index.exact import ExactIndex
from shortlist.index.stored import load_index

WIDTH = 12


def clustered(num_items: int, num_queries: int, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around a hundred centres, of lengths that differ, and queries between the centres."""
    random = np.random.default_rng(3)
    centres = random.normal(size=(100, width))
    lengths = np.exp(0.2 * random.normal(size=(num_items, 1)))
    vectors = (
        centres[random.integers(0, 100, num_items)] + 0.4 * random.normal(size=(num_items, width))
    ) * lengths
    between = centres[random.integers(0, 100, (num_queries, 2))].mean(axis=1)
    queries = between + 0.3 * random.normal(size=(num_queries, width))
    return vectors.astype(np.float32), queries.astype(np.float32)


def brute_force(
    vectors: dict[int, np.ndarray], query: np.ndarray, n: int, allowed: set[int] | None = None
) -> list[int]:
    """The best items one by one; with small whole numbers, so that products are exact."""
    found = [item for item in vectors if allowed is None or item in allowed]
    return sorted(found, key=lambda item: (-float(vectors[item] @ query), item))[:n]


class VectorIndexConformance:
    """For a `VectorIndex`. `built` makes one of vectors float32 [I, WIDTH]."""

    def built(self, vectors: np.ndarray) -> VectorIndex:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def vectors(cls) -> np.ndarray:
        return clustered(6000, 0)[0]

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, vectors: np.ndarray) -> VectorIndex:
        return cls().built(vectors)

    @pytest.mark.parametrize("seed", range(40))
    def test_a_small_one_is_exact_in_items_products_and_order(self, seed: int) -> None:
        """Whole numbers make many ties, and products without rounding."""
        random = np.random.default_rng(seed)
        num_items, n = (int(random.integers(least, 40)) for least in (1, 0))
        vectors = random.integers(-2, 3, (num_items, WIDTH)).astype(np.float32)
        queries = random.integers(-2, 3, (2, WIDTH)).astype(np.float32)
        mask = None if random.random() < 0.5 else random.random(num_items) < random.random()
        kept = None if mask is None else set(np.flatnonzero(mask).tolist())
        items, products = self.built(vectors).search(queries, n, None if mask is None else Allowed.of(mask))
        assert (items.dtype, products.dtype) == (np.int32, np.float32)
        assert items.shape == products.shape == (2, n)
        for row, query in enumerate(queries):
            expected = brute_force(dict(enumerate(vectors)), query, n, kept)
            assert items[row].tolist() == expected + [-1] * (n - len(expected))
            assert products[row, : len(expected)].tolist() == [
                float(vectors[one] @ query) for one in expected
            ]
            assert (products[row, len(expected) :] == 0).all()

    def test_most_of_the_best_are_found_in_clusters(self, index: VectorIndex, vectors: np.ndarray) -> None:
        queries = clustered(6000, 50)[1]
        true, found = (one.search(queries, 50)[0] for one in (ExactIndex(vectors), index))
        pairs = zip(true, found, strict=True)
        assert np.mean([len(np.intersect1d(*pair)) / 50 for pair in pairs]) >= 0.95

    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
    def test_filters_are_honoured_and_keep_the_recall(
        self, index: VectorIndex, vectors: np.ndarray, share: float
    ) -> None:
        queries = clustered(6000, 30)[1]
        mask = np.random.default_rng(5).random(len(vectors)) < share
        allowed = Allowed.of(mask)
        true, found = (one.search(queries, 50, allowed)[0] for one in (ExactIndex(vectors), index))
        assert mask[found[found >= 0]].all()
        assert ((found >= 0).sum(axis=1) == min(50, mask.sum())).all()
        assert (found[:, min(50, mask.sum()) :] == -1).all()
        shares = [
            len(np.intersect1d(a[a >= 0], b[b >= 0])) / (a >= 0).sum()
            for a, b in zip(true, found, strict=True)
        ]
        assert np.mean(shares) >= 0.95

    def test_bits_that_end_early_or_late_allow_what_they_hold(
        self, index: VectorIndex, vectors: np.ndarray
    ) -> None:
        queries = clustered(6000, 3)[1]
        early = index.search(queries, 20, Allowed.of(np.ones(16, np.bool_)))[0]
        assert ((early < 16).all(), (early >= 0).sum()) == (True, 48)
        late = index.search(queries, 20, Allowed.of(np.ones(len(vectors) + 999, np.bool_)))
        assert np.array_equal(late[0], index.search(queries, 20)[0])

    def test_rows_are_in_order_and_each_item_once(self, index: VectorIndex) -> None:
        items, products = index.search(clustered(6000, 20)[1], 300)
        assert (np.diff(products, axis=1) <= 0).all()
        assert all(len(set(row)) == 300 for row in items.tolist())
        assert index.search(np.empty((0, WIDTH), np.float32), 5)[0].shape == (0, 5)

    def test_many_threads_find_what_one_finds(self, index: VectorIndex) -> None:
        queries = clustered(6000, 40)[1]
        alone = index.search(queries, 10)[0]
        found: dict[int, np.ndarray] = {}

        def ask(row: int) -> None:
            found[row] = index.search(queries[row : row + 1], 10)[0][0]

        threads = [threading.Thread(target=ask, args=(row,)) for row in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert np.array_equal(np.stack([found[row] for row in range(40)]), alone)


class StoredIndexConformance(VectorIndexConformance):
    """For a `StoredIndex`."""

    def built(self, vectors: np.ndarray) -> StoredIndex:
        raise NotImplementedError

    @pytest.fixture
    def saved(self, index: StoredIndex, tmp_path: Path) -> Path:
        index.save(tmp_path)
        return tmp_path

    def test_scores_are_exact(self, index: StoredIndex, vectors: np.ndarray) -> None:
        queries = clustered(6000, 5)[1]
        expected = queries.astype(np.float64) @ vectors.T.astype(np.float64)
        np.testing.assert_allclose(index.scores(queries), expected, rtol=1e-4, atol=1e-4)
        items, products = index.search(queries, 10)
        np.testing.assert_allclose(
            products, np.take_along_axis(expected, items, axis=1), rtol=1e-4, atol=1e-4
        )

    def test_what_was_saved_finds_the_same_and_saves_the_same(
        self, index: StoredIndex, saved: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        loaded, queries = load_index(saved), clustered(6000, 20)[1]
        assert type(loaded) is type(index)
        assert (loaded.num_items, loaded.width, loaded.num_bytes) == (6000, WIDTH, index.num_bytes)
        for before, after in zip(index.search(queries, 20), loaded.search(queries, 20), strict=True):
            assert np.array_equal(before, after)
        again = tmp_path_factory.mktemp("again")
        loaded.save(again)
        assert {one.name: one.read_bytes() for one in again.iterdir()} == {
            one.name: one.read_bytes() for one in saved.iterdir()
        }

    def test_vectors_are_mapped_not_copied(self, saved: Path) -> None:
        vectors = load_index(saved).vectors
        while isinstance(vectors, np.ndarray) and vectors.base is not None:
            vectors = vectors.base
        assert type(vectors).__name__ == "mmap"

    def test_a_missing_or_cut_file_is_refused(self, saved: Path) -> None:
        for path in list(saved.iterdir()):
            whole = path.read_bytes()
            for kept in (0, len(whole) // 3, len(whole) // 2):
                path.write_bytes(whole[:kept])
                with pytest.raises(ArrayFileError):
                    load_index(saved)
            path.unlink()
            with pytest.raises(ArrayFileError):
                load_index(saved)
            path.write_bytes(whole)

    def test_a_changed_byte_is_refused_or_harmless(self, saved: Path) -> None:
        """What loads answers with items that exist; nothing else of a damaged file gets so far."""
        random, queries = np.random.default_rng(4), clustered(6000, 3)[1]
        for path in list(saved.iterdir()):
            whole = path.read_bytes()
            places = [*range(0, 60, 3), *random.integers(0, len(whole), 40).tolist()]
            for place in places:
                damaged = bytearray(whole)
                damaged[place % len(whole)] ^= int(random.integers(1, 256))
                path.write_bytes(bytes(damaged))
                try:
                    found = load_index(saved).search(queries, 10)[0]
                except ArrayFileError:
                    continue
                assert ((found >= 0) & (found < 6000)).all()
            path.write_bytes(whole)

    def test_vectors_that_are_not_finite_are_refused(self, saved: Path, vectors: np.ndarray) -> None:
        broken = vectors.copy()
        broken[7, 3] = np.nan
        np.save(saved / "index_vectors.npy", broken)
        with pytest.raises(ArrayFileError, match="finite"):
            load_index(saved)

    def test_recall_against_itself_is_whole(self, vectors: np.ndarray) -> None:
        exact = ExactIndex(vectors)
        assert recall_of(exact, exact, clustered(6000, 5)[1], 10) == 1.0
