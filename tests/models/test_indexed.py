"""A model with the index that suits it: it scores as before, and retrieves what the index finds."""

from __future__ import annotations

import numpy as np
import pytest

from models.conformance import interactions, users
from shortlist.index.choose import IndexBudgetError
from shortlist.index.exact import ExactIndex
from shortlist.index.inverted_lists import InvertedLists
from shortlist.models.indexed import indexed
from shortlist.models.matrix_factorisation import FittedMatrixFactorisation, MatrixFactorisation


@pytest.fixture(scope="module")
def fitted():
    model = MatrixFactorisation(width=8, num_epochs=2, unobserved_weight=0.1, l2=0.003)
    return model.fit(interactions(300, 200, 9000, seed=1), seed=7)


def test_a_small_catalogue_stays_exact_and_says_so(fitted):
    again = indexed(fitted, interactions(300, 200, 9000, seed=1))
    assert isinstance(again.index, ExactIndex)
    assert (again.index.report.recall, again.index.report.num_queries) == (1.0, 150)
    assert fitted.index.report is None
    assert np.array_equal(again.retrieve(users(20), 10)[0], fitted.retrieve(users(20), 10)[0])


def test_it_is_judged_by_as_many_items_as_it_will_be_asked_for(fitted):
    data = interactions(300, 200, 9000, seed=1)
    assert indexed(fitted, data, n=37).index.report.n == 37
    with pytest.raises(IndexBudgetError) as refused:
        indexed(fitted, data, memory_bytes=fitted.index.num_bytes // 50)
    assert refused.value.least_bytes == fitted.index.num_bytes  # lists of so few would take more


def test_a_model_is_saved_with_its_index_and_keeps_its_scores(fitted, tmp_path):
    queries = fitted.user_vectors(users(20))
    lists = InvertedLists.build(fitted.index.vectors, queries, num_lists=20, num_probes=5, tuned_n=10)
    fitted.with_index(lists).save(tmp_path)
    loaded = FittedMatrixFactorisation.load(tmp_path)
    assert isinstance(loaded.index, InvertedLists)
    assert np.array_equal(loaded.scores(users(20)), fitted.scores(users(20)))
    found, scores = loaded.retrieve(users(20), 10)
    np.testing.assert_allclose(
        scores, np.take_along_axis(fitted.scores(users(20)), found, axis=1), rtol=1e-4, atol=1e-6
    )
    true = fitted.retrieve(users(20), 10)[0]
    assert np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(found, true, strict=True)]) > 0.8
