"""Cross network, boosted trees and logistic regression on the same rows of KuaiRand-Pure, with their cost.

    SHORTLIST_DATA=folder python benchmarks/ranking.py

Rows, protocol and published figures are those of `benchmarks/kuairand.py`. Settings are chosen on 29-30 April
by log loss, models are then fitted on 25-30 April and judged on 1-8 May. Intervals draw whole users; "less
logistic" is the difference on the same rows, the same users drawn for both. Seconds are of both labels: the
cross network learns them at once, and reads every row once an epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from kuairand import CHOOSING_US, PUBLISHED, SETTINGS, choose, console, load, shown
from rich import box
from rich.table import Table

from shortlist.metrics import Interval, bootstrap_mean, gauc, log_loss, paired_difference
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.contract import FittedRanker
from shortlist.models.cross_network import CrossNetwork
from shortlist.models.multi_task import TaskExamples
from shortlist.offline.dataset import Dataset
from shortlist.offline.evaluate import auc_interval, row_losses

NETWORKS = [CrossNetwork(), CrossNetwork(epochs=5), CrossNetwork(width=8, rank=32, hidden=128, epochs=4)]
RANKERS = [
    BoostedTrees(num_trees=num_trees, num_leaves=15, min_leaf=200, l2=10.0, row_fraction=0.8,
                 column_fraction=0.5, objective="lambdarank")
    for num_trees in (75, 150)
]  # fmt: skip
NUM_CANDIDATES = 500
NUM_CALLS = 500


@dataclass(frozen=True)
class Fitted:
    """A model fitted on all training rows, by label; the seconds, and how many rows it read in them."""

    rankers: dict[str, FittedRanker]
    fit_s: float
    num_rows: int


def main() -> None:
    dataset, train, test = load()
    models = {name: fit_each(dataset, train, settings) for name, settings in SETTINGS.items()}
    models["BoostedTrees, lambdarank"] = fit_each(dataset, train, RANKERS)
    models["CrossNetwork"] = fit_together(dataset, train)
    console.print(*quality(dataset, test, models), sep="\n")
    console.print(costs(dataset, test, models))


def fit_each(dataset: Dataset, train: np.ndarray, settings: list) -> Fitted:
    chosen = {label: choose(dataset, label, settings, train) for label in PUBLISHED}
    started_s = time.perf_counter()
    rankers = {label: model.fit(dataset.examples(label, train), None) for label, model in chosen.items()}
    return Fitted(rankers, time.perf_counter() - started_s, len(PUBLISHED) * len(train))


def fit_together(dataset: Dataset, train: np.ndarray) -> Fitted:
    is_early = dataset.trials.times_us[train] < CHOOSING_US
    early, late = train[is_early], train[~is_early]
    losses = []
    for model in NETWORKS:
        heads = model.fit_tasks(tasks(dataset, early), None)
        found = [
            log_loss(dataset.trials.positive[label][late], heads[label].predict(dataset.features[late]))
            for label in PUBLISHED
        ]
        losses.append(sum(found))
        told = ", ".join(f"{label} {loss:.4f}" for label, loss in zip(PUBLISHED, found, strict=True))
        console.print(f"  29-30 April: log loss {told}  {model}", style="dim")
    model = NETWORKS[int(np.argmin(losses))]
    started_s = time.perf_counter()
    rankers = dict(model.fit_tasks(tasks(dataset, train), None))
    return Fitted(rankers, time.perf_counter() - started_s, model.epochs * len(train))


def tasks(dataset: Dataset, rows: np.ndarray) -> TaskExamples:
    labels = {label: dataset.trials.positive[label][rows] for label in PUBLISHED}
    return TaskExamples(dataset.features[rows], dataset.columns, labels, dataset.trials.requests.users[rows])


def quality(dataset: Dataset, test: np.ndarray, models: dict[str, Fitted]) -> tuple[Table, Table]:
    """How good each model is, and by how much it differs from logistic regression."""
    users = dataset.trials.requests.users[test]
    values = table("1-8 May (95 % over users)", "label", "model", ">AUC", ">GAUC", ">log loss")
    gains = table(
        "The same, less that of logistic regression", "label", "model", ">AUC", ">GAUC", ">log loss"
    )
    for label, published in PUBLISHED.items():
        values.add_row(label, "published", *("" if one is None else f"{one:.4f}" for one in published))
        labels = dataset.trials.positive[label][test]
        simple = models["Logistic"].rankers[label].predict(dataset.features[test])
        simple_gauc, simple_losses = gauc(users, labels, simple), row_losses(labels, simple)
        for name, fitted in models.items():
            predicted = fitted.rankers[label].predict(dataset.features[test])
            found, losses = gauc(users, labels, predicted), row_losses(labels, predicted)
            values.add_row(
                "",
                name,
                shown(auc_interval(labels, predicted, users)),
                shown(bootstrap_mean(found.values, found.groups, found.weights)),
                shown(bootstrap_mean(losses, users)),
            )
            if name != "Logistic":
                gains.add_row(
                    label,
                    name,
                    gain(auc_interval(labels, predicted, users, beside=simple)),
                    gain(paired_difference(found.values, simple_gauc.values, found.groups, found.weights)),
                    gain(paired_difference(losses, simple_losses, users)),
                )
        values.add_section()
        gains.add_section()
    return values, gains


def table(title: str, *columns: str) -> Table:
    """An empty table; a column that begins with ">" is of numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return made


def gain(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def costs(dataset: Dataset, test: np.ndarray, models: dict[str, Fitted]) -> Table:
    title = f"Cost, {dataset.features.shape[1]} columns; {NUM_CANDIDATES} candidates, both labels"
    made = table(title, "model", ">fit s", ">rows/s", ">score: least ms", ">median ms", ">p99 ms")
    features = dataset.features[test[:NUM_CANDIDATES]]
    for name, fitted in models.items():

        def score(rankers: dict[str, FittedRanker] = fitted.rankers) -> None:
            shared: dict[str, np.ndarray] = {}
            for ranker in rankers.values():
                ranker.predict(features, shared)

        least, median, p99 = np.quantile(timed_ms(score), (0.0, 0.5, 0.99))
        speed = f"{fitted.num_rows / fitted.fit_s:,.0f}"
        made.add_row(name, f"{fitted.fit_s:.1f}", speed, f"{least:.2f}", f"{median:.2f}", f"{p99:.2f}")
    return made


def timed_ms(call: Callable[[], None]) -> list[float]:
    call()  # compiles
    found = []
    for _ in range(NUM_CALLS):
        started_s = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - started_s))
    return found


if __name__ == "__main__":
    main()
