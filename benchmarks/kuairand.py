"""KuaiRand-Pure: learn from 25-30 April, predict clicks and long views of 1-8 May; beside published figures.

    SHORTLIST_DATA=folder python benchmarks/kuairand.py

The declaration is `recipes/kuairand/app.py`, nothing is added to it. Features are as of each impression: like
in serving, outcomes of the test days count from the moment they were known. Models are fitted on the training
days alone; their settings are chosen on 29-30 April, before the test days are looked at. All 133,545 rows of
test.parquet are judged. Labels are the data set's own `is_click` and `long_view`: it holds 5,868 impressions
twice, and in the log one of such a pair only can have caused the click.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import SqliteLog
from shortlist.metrics import Interval, bootstrap_mean, gauc, log_loss
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.contract import FittedRanker, RankingModel
from shortlist.models.logistic import Logistic
from shortlist.offline.dataset import Dataset, make_dataset
from shortlist.offline.evaluate import auc_interval, row_losses
from shortlist.offline.splits import Period
from shortlist.offline.trials import shown_trials
from shortlist.recipes.kuairand.adapter import history_sources
from shortlist.recipes.kuairand.app import app

FOLDER = (
    Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "kuairand-pure"
)
CHOOSING_US = int(np.datetime64("2022-04-28T16:00", "us").astype(np.int64))  # midnight of 29 April in Beijing
TEST_US = int(np.datetime64("2022-04-30T16:00", "us").astype(np.int64))

# Gradient-boosted trees with running target statistics, without a leaking column: AUC, GAUC, log loss.
PUBLISHED = {"clicked": (0.7218, 0.6387, 0.6046), "long_viewed": (0.7216, 0.6463, None)}
COLUMN = {"clicked": "is_click", "long_viewed": "long_view"}
SETTINGS: dict[str, list[RankingModel]] = {
    "Logistic": [Logistic(l2=l2) for l2 in (10.0, 30.0)],
    "BoostedTrees": [
        BoostedTrees(num_trees=num_trees, num_leaves=num_leaves, learning_rate=0.05, min_leaf=200,
                     l2=10.0, row_fraction=0.8, column_fraction=0.5)
        for num_trees, num_leaves in ((200, 15), (300, 15), (150, 31))
    ],
}  # fmt: skip

console = Console(width=150)


def main() -> None:
    dataset, train, test = load()
    users = dataset.trials.requests.users
    table = Table(box=box.SIMPLE_HEAD, title="KuaiRand-Pure, 1-8 May", title_justify="left", pad_edge=False)
    for name in ("label", "model", "AUC (95 % over users)", "GAUC", "log loss", "fit s"):
        table.add_column(name, justify="left" if name in ("label", "model") else "right")
    for label, published in PUBLISHED.items():
        labels = dataset.trials.positive[label][test]
        table.add_row(label, "published", *("" if one is None else f"{one:.4f}" for one in published), "")
        for name, settings in SETTINGS.items():
            model = choose(dataset, label, settings, train)
            started_s = time.perf_counter()
            fitted = model.fit(dataset.examples(label, train), None)
            fit_s = time.perf_counter() - started_s
            probabilities = fitted.predict(dataset.features[test])
            by_user = gauc(users[test], labels, probabilities)
            table.add_row(
                "",
                name,
                shown(auc_interval(labels, probabilities, users[test])),
                shown(bootstrap_mean(by_user.values, by_user.groups, by_user.weights)),
                shown(bootstrap_mean(row_losses(labels, probabilities), users[test])),
                f"{fit_s:.1f}",
            )
            explain(name, label, fitted)
        table.add_section()
    console.print(table)


def load() -> tuple[Dataset, np.ndarray, np.ndarray]:
    """The protocol's rows with features and its own labels; those to learn from, and those of the test."""
    with tempfile.TemporaryDirectory() as scratch, SqliteLog(Path(scratch), log_schemas(app)) as log:
        dataset = prepare(log)
    truth = protocol_rows()
    assert (truth["time_ms"] * 1000 == dataset.trials.times_us).all(), "the rows of the log, in order"
    positive = {label: truth[column].astype(np.float32) for label, column in COLUMN.items()}
    dataset = replace(dataset, trials=replace(dataset.trials, positive=positive))
    return dataset, np.flatnonzero(truth["is_test"] == 0), np.flatnonzero(truth["is_test"] == 1)


def prepare(log: SqliteLog) -> Dataset:
    started_s = time.perf_counter()
    report = log.import_history(history_sources(FOLDER))
    console.print(f"{time.perf_counter() - started_s:6.1f} s  import {report.num_imported:,} records")
    started_s = time.perf_counter()
    history = History.read(app, log)
    # The impressions themselves: the lists of what was watched earlier hold more positives than there are
    # impressions, so `read_trials` would draw negatives.
    trials = shown_trials(history, [app.labels[label] for label in PUBLISHED])
    dataset = make_dataset(history, trials, Period(0, TEST_US))
    num_rows, num_columns = dataset.features.shape
    console.print(f"{time.perf_counter() - started_s:6.1f} s  {num_rows:,} rows of {num_columns} features")
    return dataset


def protocol_rows() -> dict[str, np.ndarray]:
    """The rows of the protocol's two files, in the order in which the adapter logs them."""
    query = f"""
    SELECT time_ms, is_click, long_view, is_test FROM (
        SELECT *, 0 AS is_test FROM '{FOLDER}/val.parquet' UNION ALL BY NAME
        SELECT *, 1 AS is_test FROM '{FOLDER}/test.parquet')
    ORDER BY time_ms, user_id, video_id
    """
    return dict(duckdb.sql(query).fetchnumpy())


def choose(dataset: Dataset, label: str, settings: list[RankingModel], train: np.ndarray) -> RankingModel:
    """Return the settings with the lowest log loss on the last two training days."""
    is_early = dataset.trials.times_us[train] < CHOOSING_US
    early, late = dataset.examples(label, train[is_early]), dataset.examples(label, train[~is_early])
    losses = []
    for model in settings:
        losses.append(log_loss(late.labels, model.fit(early, None).predict(late.features)))
        console.print(f"  {label}, 29-30 April: log loss {losses[-1]:.4f}  {model}", style="dim")
    return settings[int(np.argmin(losses))]


def explain(name: str, label: str, fitted: FittedRanker) -> None:
    shares = sorted(fitted.importance().items(), key=lambda pair: -pair[1])[:5]
    told = "; ".join(f"{column} {share:.0%}" for column, share in shares)
    console.print(f"  {label}, {name} looks at: {told}", style="dim")


def shown(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


if __name__ == "__main__":
    main()
