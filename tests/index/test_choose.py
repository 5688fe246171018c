"""What is chosen: by size, by memory, by recall; and that the report tells what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from index.conformance import WIDTH, clustered
from shortlist.index.choose import IndexBudgetError, choose_index, recall_of
from shortlist.index.exact import ExactIndex
from shortlist.index.stored import load_index


@pytest.fixture(scope="module")
def data():
    return clustered(6000, 200)


def test_a_small_catalogue_is_searched_exactly(data):
    report = choose_index(*data).report
    assert (report.name, report.recall, report.num_bytes) == ("exact", 1.0, 6000 * WIDTH * 4)


def test_a_large_one_is_cut_and_reaches_the_recall(data, tmp_path):
    vectors, queries = data
    index = choose_index(vectors, queries, exact_up_to=1000, target_recall=0.9)
    assert index.report.name == "inverted_lists sq8"
    assert index.report.recall >= 0.9
    assert index.report.num_queries == 100
    assert index.report.search_us > 0
    assert recall_of(index, ExactIndex(vectors), queries, 100) == pytest.approx(index.report.recall, abs=0.05)
    index.save(tmp_path)
    loaded = load_index(tmp_path)
    assert (loaded.report.recall, loaded.report.build_s) == (index.report.recall, None)


def test_the_same_seed_chooses_the_same(data, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        choose_index(*data, exact_up_to=1000).save(tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_memory_decides_too(data):
    vectors, queries = data
    whole = ExactIndex(vectors).num_bytes
    small = choose_index(vectors, queries, memory_bytes=whole - 1)
    assert small.num_bytes < whole
    with pytest.raises(
        IndexBudgetError, match=r"memory_bytes: expected at least [\d,]+ for 6,000 vectors of 12"
    ):
        choose_index(vectors, queries, memory_bytes=1000)


def test_where_lists_save_nothing_it_is_exact():
    """Directions at random: every list holds as many of the best as any other."""
    random = np.random.default_rng(1)
    vectors, queries = (random.normal(size=(rows, 96)).astype(np.float32) for rows in (4000, 60))
    report = choose_index(vectors, queries, exact_up_to=1000, target_recall=0.99).report
    assert (report.name, report.recall) == ("exact", 1.0)


def test_without_queries_nothing_can_be_measured(data):
    report = choose_index(data[0], data[1][:0], exact_up_to=1000).report
    assert (report.name, report.num_queries, report.search_us) == ("exact", 0, None)
