"""Inverted lists: of a large catalogue, the few lists that lie in the query's direction are looked at.

The lists, their codes and how they are scanned are faiss's (Johnson, Douze & Jegou, "Billion-scale similarity
search with GPUs", 2017): a code is a vector in 8 or 16 bits a coordinate. What they find is put in the order
of the exact products, so a product is the same as the exact index's, and quantisation costs no order.

B queries, I items, D width, K lists, n wanted, M found, P probed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError, frozen, read_array, write_array
from shortlist.index.allowed import Allowed
from shortlist.index.contract import Found, StoredIndex
from shortlist.index.exact import VECTORS, ExactIndex, read_vectors
from shortlist.index.lists_file import Sizes, read_lists, write_lists
from shortlist.index.partition import partition, probe_vectors
from shortlist.index.report import (
    Description,
    IndexReport,
    ListsDescription,
    read_description,
    write_description,
)

CODES = {"sq8": "QT_8bit", "bf16": "QT_bf16"}
"""How a coordinate is stored, and faiss's name for it: in 8 bits between its extremes, or as a bfloat16."""

_CODE_BYTES = {"sq8": 1, "bf16": 2}  # a coordinate
_ALIGNED = 16  # faiss scans widths that are no multiple of this up to ten times slower
_OVER_FETCHED = 0.25  # more than wanted, for what the codes put out of order
_DEPTH_COSTS = 1.25  # the power by which probes grow with how deep among all items the wanted ones lie
_GATHERED = 5  # a vector that is gathered costs as much as so many codes that are passed over


class InvertedLists(StoredIndex):
    """Vectors in lists; at least `num_probes` of them are looked at by a search.

    Args:
        vectors: float32 [I, D].
        lists: faiss's index of the same items, of any width that is at least D.
        spreads: float32 [K]; see `partition`.
        codes: how the lists store vectors, of `CODES`.
        num_probes: how many lists a search for `tuned_n` items looks at.
        tuned_n: see there.
        report: what was measured.
    """

    kind: ClassVar[str] = "inverted_lists"

    def __init__(
        self,
        vectors: NDArray[np.float32],
        lists: Any,
        spreads: NDArray[np.float32],
        *,
        codes: str,
        num_probes: int,
        tuned_n: int,
        report: IndexReport | None = None,
    ) -> None:
        import faiss  # heavy, and needed for large catalogues only

        from shortlist.index.lists_kernel import best_of_found  # compiled: heavy to import

        self._faiss: Any = faiss  # its typing knows half of it
        self._best_of_found = best_of_found
        self._exact = ExactIndex(vectors)
        self.vectors, self.width = self._exact.vectors, self._exact.width
        self.num_lists, self.spreads = int(lists.nlist), frozen(spreads)
        self.codes, self.num_probes, self.tuned_n, self.report = codes, num_probes, tuned_n, report
        self._lists, self._usual = lists, dict[int, Any]()
        means_KD = lists.quantizer.reconstruct_n(0, self.num_lists)[:, : self.width]
        self._probes: Any = faiss.IndexFlatIP(self.width + 1)
        self._probes.add(probe_vectors(means_KD, self.spreads))

    @classmethod
    def build(
        cls,
        vectors: NDArray[np.float32],
        queries: NDArray[np.float32],
        *,
        num_lists: int,
        codes: str = "sq8",
        num_probes: int = 16,
        tuned_n: int = 100,
        seed: int = 0,
    ) -> Self:
        """Cut a catalogue into lists; see `partition`.

        Args:
            vectors: float32 [I, D], more of them than lists.
            queries: float32 [B, D] as will be asked; they decide how it is cut.
            num_lists: K at most; fewer where many vectors are equal.
            codes: of `CODES`.
            num_probes: see above.
            tuned_n: see above.
            seed: of the k-means.
        """
        import faiss

        cut = partition(vectors, queries, num_lists, seed)
        num_lists = len(cut.means)
        coarse = faiss.IndexFlatIP(_aligned(vectors.shape[1]))
        coarse.add(_padded(cut.means))
        lists = faiss.IndexIVFScalarQuantizer(
            coarse, coarse.d, num_lists, getattr(faiss.ScalarQuantizer, CODES[codes]),
            faiss.METRIC_INNER_PRODUCT, False,
        )  # fmt: skip
        padded_ID = _padded(vectors)
        lists.sq.train(padded_ID)
        lists.is_trained = True
        lists.add_core(len(padded_ID), faiss.swig_ptr(padded_ID), None, faiss.swig_ptr(cut.lists))
        return cls(
            vectors, lists, cut.spreads, codes=codes, num_probes=min(num_probes, num_lists), tuned_n=tuned_n
        )

    @property
    def name(self) -> str:
        """The kind, with how a coordinate is stored."""
        return f"{self.kind} {self.codes}"

    @property
    def num_bytes(self) -> int:
        """Codes, item numbers and lists."""
        code_bytes = self.num_items * (int(self._lists.code_size) + 8)
        return code_bytes + self.num_lists * 4 * (int(self._lists.d) + self.width + 1)

    def search(self, queries: NDArray[np.float32], n: int, allowed: Allowed | None = None) -> Found:
        """Find most of the n items with the greatest inner product; see `VectorIndex.search`.

        Where few items are allowed so many more lists are looked at that the search still meets as many of
        them, and where very few are, all of those are looked at.
        """
        allowed = None if allowed is None else allowed.below(self.num_items)
        num_probes = self._num_probes(n, allowed)
        if num_probes == 0:
            return self._exact.search(queries, n, allowed)
        items_Bn = np.empty((len(queries), n), np.int32)
        products_Bn = np.empty((len(queries), n), np.float32)
        queries_BD = np.array(queries, np.float32, order="C")
        enough = min(n, self.num_items if allowed is None else allowed.num_items)
        for items_n, products_n, query_D in zip(items_Bn, products_Bn, queries_BD, strict=True):
            num_now = num_probes
            while self._search(query_D, num_now, allowed, items_n, products_n) < enough:
                if num_now == self.num_lists:
                    break
                num_now = min(2 * num_now, self.num_lists)
        return items_Bn, products_Bn

    def _search(
        self,
        query_D: NDArray[np.float32],
        num_probes: int,
        allowed: Allowed | None,
        items_n: NDArray[np.int32],
        products_n: NDArray[np.float32],
    ) -> int:
        """Fill in what one query finds, and return how much that is."""
        pointer = self._faiss.swig_ptr
        num_asked = len(items_n) + math.ceil(_OVER_FETCHED * len(items_n))
        probed_P, nearness_P = np.empty(num_probes, np.int64), np.empty(num_probes, np.float32)
        found_M, rough_M = np.empty(num_asked, np.int64), np.empty(num_asked, np.float32)
        padded_E = np.zeros(max(self._lists.d, self.width + 1), np.float32)
        padded_E[: self.width] = query_D
        padded_E[self.width] = math.sqrt(query_D.dot(query_D))
        self._probes.search_c(1, pointer(padded_E), num_probes, pointer(nearness_P), pointer(probed_P))
        padded_E[self.width] = 0.0
        self._lists.search_preassigned_c(
            1, pointer(padded_E), num_asked, pointer(probed_P), pointer(nearness_P), pointer(rough_M),
            pointer(found_M), False, self._parameters(num_probes, allowed), None,
        )  # fmt: skip
        num_found: int = self._best_of_found(self.vectors, query_D, found_M, items_n, products_n)
        items_n[num_found:], products_n[num_found:] = -1, 0.0
        return num_found

    def _num_probes(self, n: int, allowed: Allowed | None) -> int:
        """Return how many lists to look at; 0 where it is better to look at every item that is allowed."""
        if n == 0 or self.num_items == 0:
            return 0
        share = 1.0 if allowed is None else allowed.num_items / self.num_items
        depth = max(1.0, n / self.tuned_n) / max(share, 1e-9)
        num_probes = min(self.num_lists, math.ceil(self.num_probes * math.pow(depth, _DEPTH_COSTS)))
        num_looked_at = num_probes / self.num_lists * self.num_items
        if allowed is not None and _GATHERED * allowed.num_items <= num_looked_at:
            return 0
        return num_probes

    def _parameters(self, num_probes: int, allowed: Allowed | None) -> Any:
        """Return faiss's parameters of a search; those of the usual one are made once."""
        if allowed is not None:
            bits = self._faiss.IDSelectorBitmap(len(allowed.bits), self._faiss.swig_ptr(allowed.bits))
            return self._faiss.SearchParametersIVF(nprobe=num_probes, sel=bits)
        if num_probes not in self._usual:
            self._usual[num_probes] = self._faiss.SearchParametersIVF(nprobe=num_probes)
        return self._usual[num_probes]

    def with_num_probes(self, num_probes: int) -> Self:
        """Return the same lists, of which a search looks at more or fewer."""
        return self._again(num_probes, self.report)

    def with_report(self, report: IndexReport) -> Self:
        """Return the same index, with what was measured of it."""
        return self._again(self.num_probes, report)

    def _again(self, num_probes: int, report: IndexReport | None) -> Self:
        return type(self)(
            self.vectors, self._lists, self.spreads, codes=self.codes, num_probes=num_probes,
            tuned_n=self.tuned_n, report=report,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write `index.json`, `index_vectors.npy`, `index_spreads.npy`, and the lists as faiss does."""
        head_bytes, head_sha256 = write_lists(folder, self._lists)
        lists = ListsDescription(
            codes=self.codes, num_lists=self.num_lists, num_probes=self.num_probes, tuned_n=self.tuned_n,
            head_bytes=head_bytes, head_sha256=head_sha256,
        )  # fmt: skip
        write_description(folder, Description(kind=self.kind, report=self.report, lists=lists))
        write_array(folder, VECTORS, self.vectors)
        write_array(folder, "index_spreads", self.spreads)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote."""
        description = read_description(folder, cls.kind)
        lists = description.lists
        if lists is None or lists.codes not in CODES or lists.num_probes > lists.num_lists:
            raise ArrayFileError(f"{folder}: expected the description of inverted lists, received {lists}.")
        vectors = read_vectors(folder)
        spreads = read_array(folder, "index_spreads", np.float32, (lists.num_lists,))
        if not (np.isfinite(spreads).all() and (spreads >= 0).all()):
            raise ArrayFileError(f"{folder}: expected spreads of at least 0 in index_spreads.npy.")
        width = _aligned(vectors.shape[1])
        sizes = Sizes(len(vectors), width, lists.num_lists, width * _CODE_BYTES[lists.codes])
        return cls(
            vectors, read_lists(folder, sizes, lists), spreads, codes=lists.codes,
            num_probes=lists.num_probes, tuned_n=lists.tuned_n, report=description.report,
        )  # fmt: skip


def _aligned(width: int) -> int:
    return -(-width // _ALIGNED) * _ALIGNED


def _padded(rows_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append zeros up to a width that faiss scans quickly."""
    padded = np.zeros((len(rows_ND), _aligned(rows_ND.shape[1])), np.float32)
    padded[:, : rows_ND.shape[1]] = rows_ND
    return padded
