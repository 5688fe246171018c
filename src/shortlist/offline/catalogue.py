"""How good a retrieval model is: each user's whole catalogue is put in order, never a sample of it.

B cases, I items, M items that should be found, k slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.index.top import top_n
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
from shortlist.models.contract import Progress
from shortlist.models.retrieval import FittedRetrieval
from shortlist.offline.cases import Cases
from shortlist.offline.errors import OfflineError

METRICS = {
    "HR": PositiveRanks.hit_rate_at,
    "Recall": PositiveRanks.recall_at,
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

    def diversity(self, items: NDArray[np.float32] | NDArray[np.int64]) -> Mean:
        """Return the mean distance of the pairs of items in a slate.

        Args:
            items: a vector of each item, float [I, D], or a category, int [I], -1 where it is not known.
        """
        return intra_list_diversity(self.slates, items)

    def figures(self) -> dict[str, float]:
        """Return all metrics by the name they may be printed with."""
        judged = {self.name(metric): self.mean(metric).value for metric in METRICS}
        return {**judged, "coverage": self.coverage, "gini": self.gini, "novelty": self.novelty}


def judge(
    fitted: FittedRetrieval,
    cases: Cases,
    *,
    k: int = 10,
    batch: int = 256,
    seed: int = 0,
    sampled_negatives: int | None = None,
    progress: Progress | None = None,
) -> CatalogueScore:
    """Rank the items that should be found among all candidates of their user.

    An item's rank is one more than the candidates with a higher score, and equal scores count against the
    model: the items that should not be found come first. So a model that scores all alike earns nothing,
    and the order in which items are stored cannot help it.

    Args:
        fitted: the model.
        cases: whom to judge it on.
        k: the cut-off of all metrics, and the size of the slates.
        batch: how many users are scored at once; more is faster, and takes batch times I times 4 bytes.
        seed: of the intervals, and of the sample.
        sampled_negatives: rank against this many candidates only, drawn alike for each user, as older papers
            did. It flatters, and can turn the order of models round (Krichene and Rendle, "On sampled
            metrics for item recommendation", KDD 2020); the figures are named accordingly. The slates
            remain those of the whole catalogue.
        progress: told of the cases judged.

    Raises:
        OfflineError: when the model knows another number of items, a score is not finite, or an item that
            should be found is excluded.
    """
    for thing, value in (("k", k), ("batch", batch), ("sampled_negatives", sampled_negatives)):
        if value is not None and value < 1:
            raise OfflineError(thing, expected="1 or more", received=value, mend="k=10 is usual.")
    ranks_M = np.empty(len(cases.relevant.items), np.int64)
    slates_BK = np.empty((len(cases), k), np.int32)
    for start in range(0, len(cases), batch):
        end = min(start + batch, len(cases))
        scores = fitted.scores(cases.batch(start, end))
        if scores.shape != (end - start, cases.num_items) or not np.isfinite(scores).all():
            raise OfflineError(
                f"scores of {fitted.kind}",
                expected=f"finite numbers of shape {(end - start, cases.num_items)}",
                received=f"shape {scores.shape}, {int((~np.isfinite(scores)).sum())} of them not finite",
                mend="Fit the model on the `train` of the holdout whose cases these are.",
            )
        candidates = np.array(scores, np.float32)
        for row, scores_I in enumerate(candidates):
            case = start + row
            scores_I[cases.excluded[case]] = -np.inf
            ranked_I = scores_I
            if sampled_negatives is not None:
                random = np.random.default_rng((seed, case))
                ranked_I = _sampled(scores_I, cases.relevant[case], sampled_negatives, random)
            found = slice(cases.relevant.starts[case], cases.relevant.starts[case + 1])
            ranks_M[found] = _ranks(ranked_I, cases.relevant[case])
        slates_BK[start:end] = top_n(candidates, k)[0]
        if progress is not None:
            progress(end, len(cases))
    return CatalogueScore(cases, ranks_M, slates_BK, k, sampled_negatives, seed)


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


def _ranks(scores_I: NDArray[np.float32], relevant: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the rank of each relevant item, behind all others of the same score, int64 [R]."""
    own = scores_I[relevant]
    least = own.min()
    if least == -np.inf:
        raise OfflineError(
            "cases", expected="no relevant item among the excluded", received=relevant,
            mend="Leave what should be found out of `excluded`.",
        )  # fmt: skip
    order = np.argsort(-own, kind="stable")
    worst_first = own[order][::-1]
    # How many of the relevant each item with a chance reaches or passes, then how many reach each of them.
    reached = np.searchsorted(worst_first, scores_I[scores_I >= least], side="right")
    own_reached = np.searchsorted(worst_first, own, side="right")
    others = np.bincount(reached, minlength=len(own) + 1) - np.bincount(own_reached, minlength=len(own) + 1)
    before = np.cumsum(others[::-1])[:-1]
    ranks = np.empty(len(own), np.int64)
    ranks[order] = before + np.arange(1, len(own) + 1)
    return ranks


def _sampled(
    scores_I: NDArray[np.float32], relevant: NDArray[np.int32], num_sampled: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Leave the relevant items and a sample of the other candidates their scores."""
    others = scores_I > -np.inf
    others[relevant] = False
    drawn = random.permutation(np.flatnonzero(others))[:num_sampled]
    kept = np.full(len(scores_I), -np.inf, np.float32)
    for items in (drawn, relevant):
        kept[items] = scores_I[items]
    return kept
