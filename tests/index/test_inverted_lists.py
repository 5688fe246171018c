"""Inverted lists, by the suite in both codes, and what is theirs alone: how a catalogue is cut and probed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from index.conformance import WIDTH, StoredIndexConformance, clustered
from shortlist.arrays import ArrayFileError
from shortlist.index.allowed import Allowed
from shortlist.index.choose import recall_of
from shortlist.index.exact import ExactIndex
from shortlist.index.inverted_lists import InvertedLists
from shortlist.index.stored import load_index


def lists_of(vectors, codes, num_lists=64, num_probes=12):
    queries = clustered(0, 60)[1] if len(vectors) == 6000 else np.ones((2, WIDTH), np.float32)
    return InvertedLists.build(
        vectors, queries, num_lists=min(num_lists, max(1, len(vectors) // 4)), codes=codes,
        num_probes=num_probes if len(vectors) == 6000 else len(vectors), tuned_n=50,
    )  # fmt: skip


class TestEightBits(StoredIndexConformance):
    def built(self, vectors):
        return lists_of(vectors, "sq8")


class TestSixteenBits(StoredIndexConformance):
    def built(self, vectors):
        return lists_of(vectors, "bf16")


@pytest.fixture(scope="module")
def biased():
    """A bias decides more than the direction, as where an item's popularity is a coordinate."""
    vectors, queries = clustered(6000, 100)
    random = np.random.default_rng(2)
    biases = 3 * random.normal(size=(6000, 1))
    return (
        np.concatenate([vectors / 2, biases], axis=1).astype(np.float32),
        np.concatenate([queries, np.ones((100, 1))], axis=1).astype(np.float32),
    )


def test_a_bias_is_no_harm(biased):
    vectors, queries = biased
    lists = InvertedLists.build(vectors, queries[::2], num_lists=64, num_probes=12, tuned_n=50)
    assert recall_of(lists, ExactIndex(vectors), queries[1::2], 50) >= 0.95


def test_more_probes_and_more_wanted_find_more():
    vectors, queries = clustered(6000, 60)
    lists, exact = lists_of(vectors, "sq8"), ExactIndex(vectors)
    recalls = [recall_of(lists.with_num_probes(number), exact, queries, 50) for number in (1, 4, 16, 64)]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 <= recalls[2]
    assert recalls[-1] == 1.0
    assert recall_of(lists, exact, queries, 400) >= 0.95


def test_few_that_are_allowed_are_all_looked_at():
    vectors, queries = clustered(6000, 20)
    lists = lists_of(vectors, "sq8", num_probes=1)
    allowed = Allowed.of(np.arange(6000) % 150 == 0)
    assert np.array_equal(
        lists.search(queries, 30, allowed)[0], ExactIndex(vectors).search(queries, 30, allowed)[0]
    )


def test_vectors_that_are_alike_come_in_order_of_items():
    vectors = np.tile(np.ones(WIDTH, np.float32), (3000, 1))
    found = lists_of(vectors, "sq8").search(vectors[:1], 3000)[0]
    assert found[0].tolist() == list(range(3000))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_lists": 65},
        {"num_probes": 0},
        {"num_probes": 65},
        {"codes": "pq"},
        {"head_bytes": 0},
        {"new": 1},
    ],
)
def test_a_description_of_other_lists_is_refused(wrong, tmp_path):
    lists_of(clustered(6000, 0)[0], "sq8").save(tmp_path)
    path = tmp_path / "index.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "lists": {**description["lists"], **wrong}}))
    with pytest.raises(ArrayFileError):
        load_index(tmp_path)


def test_a_search_of_one_query_starts_no_threads(tmp_path):
    """In a process of its own, with as many threads as OpenMP likes."""
    lists_of(clustered(6000, 0)[0], "sq8").save(tmp_path)
    program = f"""
import os
os.environ["OMP_NUM_THREADS"] = "4"
from pathlib import Path
import numpy as np
from shortlist.index.lists_kernel import best_of_found
from shortlist.index.stored import load_index
index = load_index(Path({str(tmp_path)!r}))
query = np.ones((1, {WIDTH}), np.float32)
# Numba starts threads of its own when it compiles.
out = np.empty(1, np.int32), np.empty(1, np.float32)
best_of_found(index.vectors, query[0], np.zeros(1, np.int64), *out)
before = len(os.listdir("/proc/self/task"))
index.search(query, 10)
assert len(os.listdir("/proc/self/task")) == before
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("threads are counted in /proc")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("codes", ["sq8", "bf16"])
def test_a_catalogue_of_mostly_equal_vectors_is_read_back(tmp_path, codes):
    """Items that nobody touched are all zeros: most of the lists asked for would be empty."""
    random = np.random.default_rng(4)
    vectors = np.zeros((4000, WIDTH), np.float32)
    vectors[:400] = random.normal(size=(400, WIDTH))
    queries = random.normal(size=(20, WIDTH)).astype(np.float32)
    built = InvertedLists.build(vectors, queries, num_lists=1024, codes=codes, num_probes=2000, tuned_n=50)
    assert built.num_lists <= 401
    built.save(tmp_path)
    read = load_index(tmp_path)
    assert recall_of(read, ExactIndex(vectors), queries, 50) == 1.0
