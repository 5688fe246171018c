"""A contest, slice by slice: whom a rung serves better, and whom worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shortlist.offline.dataset import Dataset
from shortlist.offline.evaluate import LabelScore
from shortlist.offline.ladder.contest import Contest
from shortlist.offline.report import interval_as_list, printed, table
from shortlist.offline.slices import score_slices, trial_slices
from shortlist.offline.splits import Split

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class SlicedContest:
    """The scores of one label's contenders on each slice of the test period.

    Attributes:
        label: what they predict.
        chosen: the name of the contender that was chosen on the whole.
        scores: by slice, then by contender.
    """

    label: str
    chosen: str
    scores: Mapping[str, Mapping[str, LabelScore]]


def slice_contest(dataset: Dataset, split: Split, contest: Contest, seed: int = 0) -> SlicedContest:
    """Judge every contender on the new and the heavy users, the new items, each value of an attribute.

    Args:
        dataset: all trials.
        split: the periods of the contest.
        contest: already held.
        seed: of the intervals.
    """
    train = dataset.trials.rows(contest.label, split.train, split.learnt_us)
    slices = trial_slices(dataset, train, contest.test_rows)
    scores: dict[str, dict[str, LabelScore]] = {}
    for one in contest.contenders:
        found = score_slices(dataset, contest.label, contest.test_rows, one.probabilities, slices, seed=seed)
        for name, score in found.items():
            scores.setdefault(name, {})[one.name] = score
    return SlicedContest(contest.label, contest.chosen.name, scores)


def slices_table(surface: str, one: SlicedContest) -> Table:
    """Print every slice, a line a contender."""
    made = table(
        f"{surface}: rungs for {one.label}, slice by slice",
        "slice", ">trials", ">positives", "rung", ">AUC", ">GAUC (95 %)", ">log loss (95 %)",
    )  # fmt: skip
    for name, by_rung in one.scores.items():
        for place, (rung, score) in enumerate(by_rung.items()):
            counts = (name, f"{score.num_rows:,}", f"{score.num_positives:,}") if place == 0 else ("", "", "")
            auc = "" if score.auc is None else f"{score.auc:.4f}"
            made.add_row(
                *counts, rung, auc, printed(score.gauc), printed(score.log_loss),
                style="bold" if rung == one.chosen else None,
            )  # fmt: skip
        made.add_section()
    return made


def slices_as_dict(one: SlicedContest) -> dict[str, Any]:
    """Return the slices as plain JSON values: by slice, then by contender."""
    return {
        name: {
            rung: {
                **score.figures(),
                "num_rows": score.num_rows,
                "num_positives": score.num_positives,
                "gauc_interval": interval_as_list(score.gauc),
                "log_loss_interval": interval_as_list(score.log_loss),
            }
            for rung, score in by_rung.items()
        }
        for name, by_rung in one.scores.items()
    }
