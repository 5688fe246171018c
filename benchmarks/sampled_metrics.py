"""MovieLens-1M: the same models judged against the whole catalogue, and against 100 sampled items.

    SHORTLIST_DATA=folder python benchmarks/sampled_metrics.py

Leave-one-out on the file of the SASRec paper. Krichene and Rendle, "On sampled metrics for item
recommendation", KDD 2020: a sample does not only flatter, it can turn the order of two models round.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shortlist.metrics import Interval
from shortlist.models.co_visitation import CoVisitation
from shortlist.models.popularity import Popularity
from shortlist.models.retrieval import RetrievalModel
from shortlist.offline.evaluation.catalogue import compare, judge
from shortlist.offline.evaluation.named_interactions import NamedInteractions
from shortlist.offline.evaluation.protocols import leave_one_out

FOLDER = Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ml-1m"
NUM_SAMPLED = 100
MINUTE_US = 60_000_000  # the file tells the order of a user's items, not when they were
MODELS: dict[str, RetrievalModel] = {
    "Popularity": Popularity(half_life="3650d"),
    "CoVisitation, gap_half_life=10": CoVisitation(gap_half_life=10.0),
    "CoVisitation, gap_half_life=2": CoVisitation(gap_half_life=2.0),
}


def main() -> None:
    users, items = np.loadtxt(FOLDER / "ml-1m_sas.txt", dtype=np.int64).T
    interactions = NamedInteractions.from_events(users, items, np.arange(len(users)) * MINUTE_US).interactions
    holdout = leave_one_out(interactions)
    console = Console(width=110)
    scores = {}
    for name, model in track(MODELS.items(), "Judging", console=console):
        fitted = model.fit(holdout.train)
        scores[name] = [
            judge(fitted, holdout.cases, sampled_negatives=sampled) for sampled in (None, NUM_SAMPLED)
        ]
    first = next(iter(scores.values()))
    table = Table("model", *(score.name("ndcg") for score in first))
    for name, both in scores.items():
        table.add_row(name, *(_shown(score.interval("ndcg")) for score in both))
    _, smooth, sharp = scores.values()
    differences = [compare(a, b, "ndcg") for a, b in zip(sharp, smooth, strict=True)]
    table.add_row("the last minus the one before", *map(_shown, differences), style="bold")
    console.print(table)


def _shown(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    main()
