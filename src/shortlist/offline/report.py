"""What a training or a backtest found, as tables for a terminal and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shortlist.metrics import Interval
from shortlist.offline.evaluate import ValueScore
from shortlist.offline.ladder.compare import SurfaceComparison
from shortlist.offline.ladder.contest import Contender, Contest
from shortlist.offline.splits import Split
from shortlist.offline.trials import SAMPLED_LIST

if TYPE_CHECKING:
    from rich.table import Table


def comparison_tables(one: SurfaceComparison) -> list[Table]:
    """Print a surface's comparison: a table of its labels' contenders, and one of the value of each order."""
    ranking = table(
        f"{one.surface}: how well each model predicts, on held-out time",
        "label", "model", ">AUC", ">GAUC (95 %)", ">NDCG@10", ">log loss (95 %)", ">ECE", ">fit s", "",
    )  # fmt: skip
    for contest in one.contests:
        for place, contender in enumerate(contest.contenders):
            ranking.add_row(
                contest.label if place == 0 else "",
                contender.name,
                *_figures(contender),
                f"{contender.fit_s:.1f}" if contender.fitted is not None else "",
                verdict(contest, contender),
                style="bold" if contender is contest.chosen else None,
            )
        ranking.add_section()
    tables = [ranking]
    if one.values:
        first = next(iter(one.values.values()))
        value = table(
            f"{one.surface}: what an item of the first half of each {first.list_kind} was worth",
            "ordered by", ">value per item (95 %)", ">lift over a random order (95 %)",
        )  # fmt: skip
        for name, score in one.values.items():
            value.add_row(name, printed(score.per_item), printed(score.lift))
        value.add_section()
        if first.list_kind != SAMPLED_LIST:
            value.add_row("as logged (has the gain of its places)", printed(first.logged), "")
        value.add_row("a random order", printed(first.average), "")
        tables.append(value)
    return tables


def comparison_as_dict(one: SurfaceComparison, *, is_timed: bool = True) -> dict[str, Any]:
    """Return a comparison as plain JSON values; without its seconds it is the same for the same seed."""
    return {
        "surface": one.surface,
        "labels": {contest.label: _contest_as_dict(contest, is_timed) for contest in one.contests},
        "value": {name: _value_as_dict(score) for name, score in one.values.items()},
    }


def split_as_dict(split: Split) -> dict[str, str]:
    """Return the periods of a split, printed."""
    return {"train": str(split.train), "valid": str(split.valid), "test": str(split.test)}


def interval_as_list(interval: Interval | None) -> list[float] | None:
    """Return value, low and high."""
    return None if interval is None else [interval.value, interval.low, interval.high]


def _contest_as_dict(contest: Contest, is_timed: bool) -> dict[str, Any]:
    return {
        "num_train": contest.num_train,
        "num_valid": contest.num_valid,
        "num_test": len(contest.test_rows),
        "chosen": contest.chosen.name,
        "models": {
            contender.name: {
                "definition": contender.definition,
                **contender.score.figures(),
                "num_positives": contender.score.num_positives,
                "gauc_interval": interval_as_list(contender.score.gauc),
                "log_loss_interval": interval_as_list(contender.score.log_loss),
                **({"fit_s": contender.fit_s} if is_timed else {}),
            }
            for contender in contest.contenders
        },
        "comparisons": [
            {
                "simpler": comparison.simpler,
                "stronger": comparison.stronger,
                "log_loss_gain": interval_as_list(comparison.gain),
                "is_beaten": comparison.is_beaten,
            }
            for comparison in contest.comparisons
        ],
    }


def _value_as_dict(score: ValueScore) -> dict[str, Any]:
    return {
        "per_item": interval_as_list(score.per_item),
        "logged": interval_as_list(score.logged),
        "average": interval_as_list(score.average),
        "lift": interval_as_list(score.lift),
        "num_lists": score.num_lists,
        "list_kind": score.list_kind,
    }


def _figures(contender: Contender) -> Sequence[str]:
    score = contender.score
    return (
        _number(score.auc),
        printed(score.gauc),
        _number(score.ndcg_at_10),
        printed(score.log_loss),
        _number(score.calibration_error),
    )


def verdict(contest: Contest, contender: Contender) -> str:
    """Say why a contender was chosen, or why it was not."""
    if contender.fitted is None:
        return "baseline"
    if contest.is_over(contender):
        return "chosen: the fastest, yet over budget" if contender is contest.chosen else "over budget"
    if contender is contest.chosen:
        later = contest.rungs[contest.rungs.index(contender) + 1 :]
        if later and all(contest.is_over(rung) for rung in later):
            return "chosen: those after it are over budget"
        return "chosen: none beats it by more than noise" if later else "chosen"
    beaten_by = [
        one.stronger for one in contest.comparisons if one.simpler == contender.name and one.is_beaten
    ]
    return f"beaten by {', '.join(beaten_by)}" if beaten_by else "no better by more than noise"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def printed(interval: Interval | None, *, sign: bool = False) -> str:
    """Print a value and its range; with `sign`, a gain is told by its plus."""
    if interval is None:
        return ""
    value = f"{interval.value:+.4f}" if sign else f"{interval.value:.4f}"
    return f"{value} ({interval.low:.4f} to {interval.high:.4f})"


def table(title: str, *columns: str) -> Table:
    """Return an empty table; a column that begins with ">" is of numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return made
