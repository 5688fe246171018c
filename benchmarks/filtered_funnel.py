"""A condition that keeps one item in fifty: candidates left and time, searched for beforehand or not.

    OMP_NUM_THREADS=1 python benchmarks/filtered_funnel.py --items 100000

The whole funnel without a ranker: one source of vectors, clustered as in `vector_index.py`, and a filter. Of
users there are two kinds, adults and others. The three ways take turns with every user; a time is the median
over users of the fastest of three. Then what it costs the thread that refreshes: to make the bitmaps, and to
follow a thousand changed items.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from vector_index import clustered

import shortlist as sl
from shortlist.declare.surface import Surface
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.index.choose import choose_index
from shortlist.log.columns import Batch, columns_from_records
from shortlist.log.record import Record
from shortlist.models.popularity import FittedPopularity
from shortlist.models.vector_table import FittedVectorTable
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.funnel import Funnel
from shortlist.stages.contract import Query

NUM_USERS, HISTORY, WIDTH = 200, 5, 64
WANTED, OVER_FETCHED = 300, 10_000
KEPT = 0.02
NOW_US = 1_760_000_000_000_000

console = Console(width=120)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    num_items = parser.parse_args().items
    vectors, asked = clustered(num_items, WIDTH)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    app, surfaces = declare()
    state = OnlineState(app)
    fold(state, past(num_items, vectors, asked))
    biased = np.append(vectors, np.zeros((num_items, 1), np.float32), axis=1)
    queries = np.append(asked, np.zeros((len(asked), 1), np.float32), axis=1)
    model = FittedVectorTable(choose_index(biased, queries, n=WANTED), HISTORY)
    artifacts = FunnelArtifacts(
        [f"i{number}" for number in range(num_items)],
        FittedPopularity(np.ones(num_items, np.float32)),
        {0: model},
    )
    funnels = [Funnel.build(app, surface, artifacts, state, width=OVER_FETCHED) for surface in surfaces]
    users = [query(state, number) for number in range(NUM_USERS)]
    pushed = funnels[-1]
    for one in users:
        pushed.inspect(one)
    made_ms = refresh_ms(pushed)
    for one in users[:20]:
        for funnel in funnels:
            funnel.inspect(one)
    times_ms = np.full((len(funnels), NUM_USERS), np.inf)
    num_left = np.zeros(times_ms.shape)
    for _ in range(3):
        for place, one in enumerate(users):
            for row, funnel in enumerate(funnels):
                started_s = time.perf_counter()
                record = funnel.inspect(one)
                elapsed_ms = 1000 * (time.perf_counter() - started_s)
                times_ms[row, place] = min(times_ms[row, place], elapsed_ms)
                num_left[row, place] = len(record.slates[0][1]) if not record.is_fallback else 0
    title = f"{num_items:,} items, {model.index.name}; a condition keeps {KEPT:.0%}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("asked for", "searched", "candidates left", "of a user with the fewest", "ms a request"):
        table.add_column(name, justify="right")
    names = (("all", WANTED), ("all", OVER_FETCHED), ("what passes", WANTED))
    for (searched, n), left, ms in zip(names, num_left, times_ms, strict=True):
        cells = (f"{n:,}", searched, f"{left.mean():.1f}", f"{left.min():.0f}", f"{np.median(ms):.2f}")
        table.add_row(*cells)
    console.print(table)
    changed = np.random.default_rng(2).permutation(num_items)[:1000]
    fold(state, items(changed, np.random.default_rng(3), state.last_seq + 1))
    console.print(f"refresh: {made_ms:.0f} ms for the two bitmaps, {refresh_ms(pushed):.0f} ms to follow")


def declare() -> tuple[sl.App, list[Surface]]:
    """A surface that is never refreshed, one that asks for many as well, and one that is refreshed."""
    app = sl.App("shelves")
    user = app.entity("user", adult=bool)
    item = app.entity("item", shelf=int, explicit=bool)
    app.event("watch", user, item)
    condition = (item.shelf < 100 * KEPT) & (~item.explicit | user.adult)
    surfaces = []
    for name, n in (("plain", WANTED), ("many", OVER_FETCHED), ("pushed", WANTED)):
        source = sl.NearVectors("vectors.parquet", n=n, history=HISTORY)
        surfaces.append(app.surface(name, sources=[source], filters=[sl.Where(condition)]))
    return app, surfaces


def past(num_items: int, vectors: np.ndarray, asked: np.ndarray) -> list[Record]:
    """Items, users, and for each user a watch of the items that lie nearest to what is asked."""
    records = items(np.arange(num_items), np.random.default_rng(1), 1)
    for number in range(NUM_USERS):
        nearest = np.argsort(-(vectors @ asked[number]))[:HISTORY]
        told = [("user", {"user": f"u{number}", "adult": number % 2 == 0})]
        told += [("watch", {"user": f"u{number}", "item": f"i{item}"}) for item in nearest]
        records += [record(len(records) + place, *one) for place, one in enumerate(told, start=1)]
    return records


def items(numbers: np.ndarray, random: np.random.Generator, first_seq: int) -> list[Record]:
    """Describe some items; one in ten is explicit."""
    shelves, draws = random.integers(0, 100, len(numbers)).tolist(), random.random(len(numbers))
    known = zip(numbers.tolist(), shelves, (draws < 0.1).tolist(), strict=True)
    return [
        record(seq, "item", {"item": f"i{number}", "shelf": shelf, "explicit": explicit})
        for seq, (number, shelf, explicit) in enumerate(known, start=first_seq)
    ]


def record(seq: int, kind: str, fields: dict[str, object]) -> Record:
    return Record(seq, NOW_US + seq, kind, NOW_US + seq, None, fields)


def fold(state: OnlineState, records: list[Record]) -> None:
    kinds = {schema.kind: columns_from_records(schema, records) for schema in log_schemas(state.app)}
    kinds = {kind: columns for kind, columns in kinds.items() if len(columns)}
    state.apply(Batch(records[0].seq, records[-1].seq, kinds))


def query(state: OnlineState, number: int) -> Query:
    code = state.users.vocabulary.code(f"u{number}")
    return Query(code, 20, state.moment(NOW_US), {}, seed=0, state=state)


def refresh_ms(funnel: Funnel) -> float:
    started_s = time.perf_counter()
    funnel.refresh()
    return 1000 * (time.perf_counter() - started_s)


if __name__ == "__main__":
    main()
