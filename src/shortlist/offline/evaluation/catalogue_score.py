"""What judging a retrieval model comes to: metrics of each user, their mean, and how sure we are of it.

B cases, I items, M items that should be found, k slots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import (
    Interval,
    Mean,
    PositiveRanks,
    bootstrap_mean,
    coverage,
    gini,
    intra_list_diversity,
    novelty,
    paired_difference,
)
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluation.cases import Cases

METRICS = {
    "HR": PositiveRanks.hit_rate_at,
    "Recall": PositiveRanks.recall_at,
    "CappedRecall": PositiveRanks.capped_recall_at,
    "Precision": PositiveRanks.precision_at,
    "NDCG": PositiveRanks.ndcg_at,
    "MRR": PositiveRanks.mrr_at,
    "MAP": PositiveRanks.average_precision_at,
}
"""The metrics of a `CatalogueScore`, all at its k."""


@dataclass(frozen=True)
class CatalogueScore:
    """What a model came to on cases; one value a user is kept, so that intervals can be drawn.

    Attributes:
        cases: whom it was judged on.
        ranks: int64 [M], the rank of each of `cases.relevant.items` among its user's candidates, from 1.
        slates: int32 [B, k], the k candidates that the model puts first, -1 where there are no more.
        k: the cut-off.
        num_sampled: how many items each was ranked against; None for the whole catalogue.
        seed: of the intervals.
    """

    cases: Cases
    ranks: NDArray[np.int64]
    slates: NDArray[np.int32]
    k: int
    num_sampled: int | None = None
    seed: int = 0

    def mean(self, metric: str, where: NDArray[np.bool_] | None = None) -> Mean:
        """Return a metric's mean over users, and the value of each.

        Args:
            metric: one of `METRICS`, in any case.
            where: bool [M], which of the items that should be found count as such; the others keep their
                places, and users without any are left out. By default all.

        Raises:
            OfflineError: when there is no such metric.
        """
        at_k = METRICS[_spelt(metric)]
        cases_M, ranks_M = self.cases.relevant.cases, self.ranks
        if where is not None:
            cases_M, ranks_M = cases_M[where], ranks_M[where]
        found, lists_M = np.unique(cases_M, return_inverse=True)
        users = self.cases.users[found].astype(np.int64)
        return at_k(PositiveRanks(lists_M, ranks_M, groups=users), self.k)

    def at(self, k: int) -> CatalogueScore:
        """Return the same ranking judged at a smaller cut-off.

        Raises:
            OfflineError: when k is below 1, or above what was judged, of which the slates are not known.
        """
        if not 1 <= k <= self.k:
            raise OfflineError(
                "k", expected=f"1 to {self.k}", received=k, mend="Call judge with the largest k wanted."
            )
        return replace(self, k=k, slates=self.slates[:, :k])

    def interval(
        self, metric: str, where: NDArray[np.bool_] | None = None, *, level: float = 0.95
    ) -> Interval:
        """Return a metric's mean over users and its bootstrap interval, drawing users; see `mean`.

        Raises:
            OfflineError: when there is no such metric.
            MetricInputError: when fewer than two users are left.
        """
        return bootstrap_mean(self.mean(metric, where).values, seed=self.seed, level=level)

    def name(self, metric: str) -> str:
        """Name a metric as it may be printed: a sampled one says so."""
        sampled = "" if self.num_sampled is None else f" of {self.num_sampled} sampled"
        return f"{_spelt(metric)}@{self.k}{sampled}"

    @property
    def coverage(self) -> float:
        """The share of the catalogue that is in somebody's slate."""
        return coverage(self.slates, self.cases.num_items)

    @property
    def gini(self) -> float:
        """How unequally the slates share their slots among items: 0 alike, towards 1 one item takes all."""
        return gini(self.slates, self.cases.num_items)

    @property
    def novelty(self) -> float:
        """The mean surprise of the items in the slates, in bits, by their share of the training."""
        return novelty(self.slates, self.cases.item_counts)

    def diversity(self, items: str | NDArray[np.float32] | NDArray[np.int64]) -> Mean:
        """Return the mean distance of the pairs of items in a slate; see `intra_list_diversity`.

        Args:
            items: a vector of each item, float [I, D]; or a category, int [I], below 0 where it is not
                known; or the name of such an attribute of the cases.

        Raises:
            OfflineError: when the cases' items have no text attribute of that name.
        """
        return intra_list_diversity(self.slates, self._categories(items) if isinstance(items, str) else items)

    def figures(self) -> dict[str, float]:
        """Return all metrics by the name they may be printed with; the diversity of each text attribute."""
        judged = {self.name(metric): self.mean(metric).value for metric in METRICS}
        diversity = {f"diversity of {name}": self.diversity(name).value for name in self._text_attributes}
        return {
            **judged, "coverage": self.coverage, "gini": self.gini, "novelty": self.novelty, **diversity
        }  # fmt: skip

    @property
    def _text_attributes(self) -> tuple[str, ...]:
        attributes = self.cases.item_attributes
        return () if attributes is None else tuple(attributes.encoding.categories)

    def _categories(self, name: str) -> NDArray[np.int64]:
        attributes = self.cases.item_attributes
        if attributes is None or name not in self._text_attributes:
            raise OfflineError(
                "diversity",
                expected=f"a text attribute of the items, of {', '.join(self._text_attributes) or 'none'}",
                received=name,
                mend="Pass vectors, or tell what is known: NamedInteractions.with_item_attributes.",
            )
        values = attributes.values[:, attributes.encoding.names.index(name)]
        return np.where(np.isnan(values), -1, values).astype(np.int64)


def compare(a: CatalogueScore, b: CatalogueScore, metric: str, *, level: float = 0.95) -> Interval:
    """Return a metric of `a` minus that of `b`, user by user, and the interval of the difference.

    Raises:
        OfflineError: when they were not judged alike: on the same cases, k and candidates.
    """
    same_cases = np.array_equal(a.cases.users, b.cases.users) and all(
        np.array_equal(getattr(mine, part), getattr(theirs, part))
        for mine, theirs in ((a.cases.relevant, b.cases.relevant), (a.cases.excluded, b.cases.excluded))
        for part in ("items", "starts")
    )
    if not same_cases or (a.k, a.num_sampled) != (b.k, b.num_sampled):
        raise OfflineError(
            "compare",
            expected="two scores on the same cases, at the same k, against the same candidates",
            received=f"{a.name(metric)} of {len(a.cases)} users, {b.name(metric)} of {len(b.cases)}",
            mend="Judge both models with the same arguments.",
        )
    return paired_difference(a.mean(metric).values, b.mean(metric).values, seed=a.seed, level=level)


def _spelt(metric: str) -> str:
    for name in METRICS:
        if name.lower() == metric.lower():
            return name
    raise OfflineError(
        "metric", expected=f"one of {', '.join(METRICS)}", received=metric, mend="Name one of them."
    )
