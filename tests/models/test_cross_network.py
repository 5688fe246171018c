"""A cross network holds to the contract; its kernel against a naive pass; several labels at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.conformance import RankingModelConformance, log_loss
from models.planted import examples
from shortlist.models.columns.slots import ColumnSlots
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.cross.weights import Network
from shortlist.models.cross_network import CrossNetwork
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.multi_task import TaskExamples

SMALL = CrossNetwork(epochs=8, learning_rate=0.01, hidden=16, rank=4)


class TestCrossNetwork(RankingModelConformance):
    model = SMALL


def two_tasks(num_rows: int, seed: int) -> TaskExamples:
    """The planted clicks, and as a second task their opposite, known of every other row."""
    rows = examples(num_rows, seed)
    opposite = np.where(np.arange(num_rows) % 2 == 0, 1 - rows.labels, np.nan).astype(np.float32)
    labels = {"click": rows.labels, "skip": opposite}
    return TaskExamples(rows.features, rows.columns, labels, rows.groups)


@pytest.fixture(scope="module")
def heads():
    return SMALL.fit_tasks(two_tasks(6000, seed=1), two_tasks(2000, seed=2), seed=7)


def test_every_task_is_learnt_from_the_rows_that_know_it(heads) -> None:
    test = examples(4000, seed=4)
    click, skip = (heads[task].predict(test.features) for task in ("click", "skip"))
    base = log_loss(test.labels, np.full(4000, test.labels.mean()))
    assert log_loss(test.labels, click) < 0.85 * base
    assert log_loss(1 - test.labels, skip) < 0.87 * base
    assert heads["click"].network is heads["skip"].network


def test_loaded_heads_know_that_they_share_a_body(heads, tmp_path) -> None:
    loaded = {}
    for task, head in heads.items():
        (tmp_path / task).mkdir()
        head.save(tmp_path / task)
        loaded[task] = type(head).load(tmp_path / task)
    query = examples(300, seed=3).features
    shared: dict[str, np.ndarray] = {}
    together = {task: head.predict(query, shared) for task, head in loaded.items()}
    assert len(shared) == 1
    for task, head in heads.items():
        assert np.array_equal(together[task], head.predict(query))


@pytest.mark.parametrize("counts", [[1 << 62] * 4, [-1, 0, 0, 1], [(1 << 63) - 1, 1, 0, 0]])
def test_counts_of_keys_that_only_sum_to_what_is_there_are_refused(heads, tmp_path, counts) -> None:
    heads["click"].save(tmp_path)
    np.save(tmp_path / "keys.npy", np.empty(0))
    np.save(tmp_path / "num_keys.npy", np.array(counts))
    with pytest.raises(ModelFileError, match="counts of keys"):
        ColumnSlots.load(tmp_path, heads["click"].columns)


def test_two_networks_do_not_share(heads) -> None:
    other = SMALL.fit(examples(600, seed=5), None)
    query = examples(50, seed=3).features
    shared: dict[str, np.ndarray] = {}
    heads["click"].predict(query, shared)
    assert np.array_equal(other.predict(query, shared), other.predict(query))
    assert len(shared) == 2


def test_the_kernel_is_the_published_formula(heads) -> None:
    """Against float64 NumPy, matrix by matrix: x' = x0 * (U (V x) + b) + x, and a hidden layer beside it."""
    network: Network = heads["click"].network
    query = examples(200, seed=6).features
    query[:, 0] *= 3.0  # beyond the outermost knots too
    first, own = [], np.zeros((len(query), 2))
    for f, column in enumerate(network.slots.columns):
        keys = network.slots.keys[network.slots.key_starts[f] : network.slots.key_starts[f + 1]]
        table = network.table[network.slots.starts[f] : network.slots.starts[f + 1]].astype(np.float64)
        vectors = []
        for entry in query[:, f].astype(np.float64):
            if np.isnan(entry) or (column.categorical and entry not in keys):
                vectors.append(table[0])
            else:
                vectors.append([np.interp(entry, keys, table[1:, e]) for e in range(table.shape[1])])
        first.append(np.array(vectors)[:, : SMALL.width])
        own += np.array(vectors)[:, SMALL.width :]
    x0 = np.concatenate(first, axis=1)
    x = x0
    for down, up, bias in zip(network.down, network.up, network.bias, strict=True):
        x = x0 * (x @ down.T.astype(np.float64) @ up.T + bias) + x
    units = np.maximum(x0 @ network.hidden.T.astype(np.float64) + network.hidden_bias, 0)
    expected = network.base + own + x @ network.cross_head.T + units @ network.hidden_head.T
    np.testing.assert_allclose(network.log_odds(query), expected, rtol=2e-4, atol=2e-4)


def test_it_learns_a_product_that_a_sum_cannot() -> None:
    rng = np.random.default_rng(1)
    pair = rng.integers(0, 6, (12_000, 2))
    labels = (rng.random(12_000) < np.where((pair.sum(axis=1) % 2) == 0, 0.9, 0.1)).astype(np.float32)
    columns = tuple(FeatureColumn(name, categorical=True, cardinality=6) for name in ("left", "right"))
    data = Examples(pair.astype(np.float32), columns, labels, np.zeros(12_000, np.int64))
    predicted = replace(SMALL, epochs=12).fit(data, None).predict(data.features)
    assert log_loss(labels, predicted) < 0.36  # 0.33 is the least; a sum of columns gets 0.69


def test_it_keeps_the_best_pass() -> None:
    greedy = replace(SMALL, epochs=40, learning_rate=0.05, patience=2, dropout=0.0)
    steps: list[int] = []
    stopped = greedy.fit(
        examples(800, seed=1), examples(1500, seed=2), progress=lambda done, _: steps.append(done)
    )
    test = examples(3000, seed=3)
    longer = greedy.fit(examples(800, seed=1), None)
    assert len(steps) < 30 * 32
    assert log_loss(test.labels, stopped.predict(test.features)) < log_loss(
        test.labels, longer.predict(test.features)
    )


@pytest.mark.parametrize(
    "setting",
    [{"width": 0}, {"num_knots": 1}, {"epochs": 0}, {"learning_rate": 0.0}, {"dropout": 1.0}],
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        CrossNetwork(**setting)


def test_bad_tasks_are_refused() -> None:
    rows = examples(20, seed=1)
    rest = (rows.features, rows.columns)
    for labels in (
        {},
        {"click": rows.labels[:5]},
        {"click": rows.labels * np.nan},
        {"click": rows.labels + 1},
    ):
        with pytest.raises(ModelError):
            TaskExamples(*rest, labels, rows.groups)
