"""One request after another in one process: the whole funnel, and what of it is search and trees.

    python benchmarks/serving/in_process.py --data FOLDER

Prints JSON. The kernels are timed beside the whole, on the same inputs, so a busy moment of the machine
slows all of them. Then all is timed once more with a pause before each, as requests come to a server: what a
machine's caches forget meanwhile is not the funnel's doing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from serving.app import SURFACE, K, app
from shortlist.features.online import OnlineState
from shortlist.log.sqlite import now_us
from shortlist.models.retrieval import FittedVectors, UserBatch
from shortlist.pipeline.funnel import Funnel
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents
from shortlist.stages.contract import Query
from shortlist.stages.near_history import history_codes, numbers_in, numbers_of_codes

NUM_WARM_UP, NUM_REQUESTS, NUM_RECALL = 100, 500, 200
NUM_PAUSED, PAUSE_S = 150, 0.05
_RECALL_AT = 100


def measure(data: Path) -> dict[str, Any]:
    """Time requests of a catalogue's people.

    Returns:
        p50 in ms of `whole`, `search` and `predict`, and of each after a pause, the mean number of candidates
        that were ranked, and `recall`, the share of the 100 nearest by an exact scan that the index finds.
    """
    state = OnlineState.restore(app, data / "state")
    registry = Registry(data / "releases")
    current = registry.current()
    assert current is not None
    artifacts = load_contents(registry.open(current).folder, app)[SURFACE]
    surface = app.surfaces[SURFACE]
    funnel = Funnel.build(app, surface, artifacts, state)
    vectors, ranker = artifacts.retrieval[0], artifacts.rankers["engaged"]
    assert isinstance(vectors, FittedVectors)
    near = surface.sources[0]
    (history,) = near.reads(app)
    number_of_code = numbers_of_codes(state.items.vocabulary.codes(artifacts.item_ids))
    random = np.random.default_rng(3)
    times_ms: defaultdict[str, list[float]] = defaultdict(list)
    num_ranked, wanted = [], []
    for number in range(NUM_WARM_UP + NUM_REQUESTS + NUM_PAUSED):
        is_paused = number >= NUM_WARM_UP + NUM_REQUESTS
        user = int(random.integers(0, len(state.users)))
        query = Query(user, K, state.moment(now_us()), {}, seed=number, state=state)
        numbers_L = numbers_in(number_of_code, history_codes(query, history))
        vector = vectors.user_vectors(UserBatch(numbers_L[None, :]))
        ranked = funnel.inspect(query).ranked
        assert ranked is not None
        features = np.ascontiguousarray(ranked.features)
        num_near = near.n + len(numbers_L)
        for name, work in (
            ("whole", lambda query=query: funnel.recommend(query, budget_ms=math.inf)),
            ("search", lambda vector=vector, n=num_near: vectors.index.search(vector, n)),
            ("predict", lambda features=features: ranker.log_odds(features)),
        ):
            if is_paused:
                time.sleep(PAUSE_S)
            time_ms = _time_ms(work)
            if number >= NUM_WARM_UP:
                times_ms[f"{name} after a pause" if is_paused else name].append(time_ms)
        if number >= NUM_WARM_UP:
            num_ranked.append(len(features))
            if len(numbers_L) and len(wanted) < NUM_RECALL:
                wanted.append(vector[0])
    return {
        **{name: float(np.median(times)) for name, times in times_ms.items()},
        "num_ranked": float(np.mean(num_ranked)),
        "recall": _recall(data, artifacts.item_ids, vectors, np.array(wanted)),
    }


def _time_ms(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started_s)


def _recall(data: Path, item_ids: Sequence[str], vectors: FittedVectors, queries: np.ndarray) -> float:
    """Compare what the index finds with a scan of the vectors the catalogue was made of."""
    table = duckdb.sql(f"FROM '{data.parent / 'vectors.parquet'}'").fetchnumpy()
    row_of = {item: row for row, item in enumerate(table["item"].tolist())}
    exact = np.array([np.asarray(one, np.float32) for one in table["vector"]])
    exact = exact[[row_of[item] for item in item_ids]]
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    found = vectors.index.search(queries, _RECALL_AT)[0]
    shares = []
    for query, items in zip(queries, found, strict=True):
        products = exact @ query[: exact.shape[1]]
        nearest = np.argpartition(-products, _RECALL_AT)[:_RECALL_AT]
        shares.append(len(np.intersect1d(nearest, items)) / _RECALL_AT)
    return float(np.mean(shares))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    print(json.dumps(measure(parser.parse_args().data)))
