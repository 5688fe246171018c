"""Rungs that learn all labels at once: fitted once, a head in each label's contest, one body in serving."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shortlist.declare.surface import Ladder
from shortlist.models.calibrated import Calibrated
from shortlist.models.cross_network import CrossNetwork
from shortlist.models.logistic import Logistic
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.ladder.compare import Comparer
from shortlist.offline.progress import Steps
from shortlist.offline.splits import split_by_share
from shortlist.offline.trials import NEVER_US
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.recipes.video.app import app
from shortlist.releases.artifacts import load_contents, save_contents

NETWORK = CrossNetwork(epochs=1, hidden=8, rank=4)


@pytest.fixture(scope="module")
def prepared(history, log):
    trials = read_trials(history, log, list(app.surfaces["home"].value))
    split = split_by_share(trials.times_us, trials.settled_us, history.last_log_time_us, valid=0.1, test=0.2)
    return make_dataset(history, trials, split.train), split


def compare(dataset, split, history, *rungs, progress=None):
    surface = replace(app.surfaces["home"], ladder=Ladder(*rungs))
    comparer = Comparer(dataset, split, num_items=len(history.items), seed=1, steps=Steps(progress))
    return comparer.compare(surface)


@pytest.fixture(scope="module")
def compared(prepared, history):
    """A comparison of one network, and the steps of fitting that were told of."""
    told: dict[str, list[tuple[int, int]]] = {}

    def progress(step: str, done: int, total: int) -> None:
        if step.startswith("fit "):
            told.setdefault(step, []).append((done, total))

    return compare(*prepared, history, NETWORK, progress=progress), told


def test_the_network_is_fitted_once_for_all_labels(compared) -> None:
    comparison, told = compared
    first, *others = (ranker for ranker in comparison.rankers.values())
    assert others
    assert all(other.network is first.network for other in others)
    assert len({ranker.head for ranker in comparison.rankers.values()}) == len(comparison.contests)
    lengths = [len(steps) for steps in told.values()]
    assert lengths[0] > 10
    assert set(lengths[1:]) == {2}  # the step begins and ends, and nothing is fitted in it


def test_a_release_keeps_the_heads_and_that_they_are_one(compared, prepared, history, tmp_path) -> None:
    comparison, _ = compared
    dataset, _ = prepared
    one = FunnelArtifacts(
        history.items.texts(),
        popularity_of(history),
        rankers=comparison.rankers,
        encoding=dataset.encoding,
    )
    save_contents(tmp_path, {"home": one})
    loaded = load_contents(tmp_path, app)["home"].rankers
    shared: dict[str, np.ndarray] = {}
    for label, ranker in loaded.items():
        query = dataset.features[:300]
        assert np.array_equal(ranker.predict(query, shared), comparison.rankers[label].predict(query))
    assert len(shared) == 1


def popularity_of(history):
    from shortlist.models.popularity import Popularity
    from shortlist.offline.positives import surface_interactions

    return Popularity().fit(surface_interactions(history, app.surfaces["home"]))


def test_a_trial_teaches_only_the_labels_whose_outcome_is_settled(prepared, history) -> None:
    dataset, split = prepared
    labels = list(dataset.trials.known_us)
    late = dataset.trials.known_us[labels[1]].copy()
    early = np.flatnonzero(dataset.trials.times_us < split.train.end_us)
    late[early[::2]] = NEVER_US
    # Were these trials taken all the same, the label would be learnt upside down.
    wrong = dataset.trials.positive[labels[1]].copy()
    wrong[early[::2]] = 1.0
    trials = replace(
        dataset.trials,
        known_us={**dataset.trials.known_us, labels[1]: late},
        positive={**dataset.trials.positive, labels[1]: wrong},
    )
    contests = compare(replace(dataset, trials=trials), split, history, NETWORK).contests
    assert contests[1].num_train < 0.6 * contests[0].num_train
    rate = dataset.trials.positive[labels[1]][contests[1].test_rows].mean()
    assert contests[1].chosen.probabilities.mean() == pytest.approx(rate, abs=0.1)


def test_a_calibrated_rung_is_named_and_fitted_for_each_label(prepared, history) -> None:
    comparison = compare(*prepared, history, Logistic(), Calibrated(Logistic()))
    for contest in comparison.contests:
        assert [rung.name for rung in contest.rungs] == ["Logistic", "Calibrated(Logistic)"]
        plain, calibrated = contest.rungs
        assert calibrated.score.auc == pytest.approx(plain.score.auc, abs=2e-3)
