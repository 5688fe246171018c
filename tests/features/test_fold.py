"""The one kernel that folds a batch leaves the bits that every structure's own `add` leaves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shortlist as sl
from features.declarations import START_US, Happening, apps, happenings
from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.features.snapshot import freeze
from shortlist.features.streams import resolve
from shortlist.log.bodies import BodyCodec, TailRow, batch_from_rows
from shortlist.log.columns import Batch


def add_streams(state: OnlineState, batch: Batch) -> None:
    """Fold a batch stream by stream."""
    resolved = resolve(state.resolver, batch)
    for track, stream in resolved.tracks.items():
        state.kept.arenas[track].add(stream.keys, stream.times_us, stream.values)
    for recency, stream in resolved.recencies.items():
        state.kept.last_times[recency].add(stream.keys, stream.times_us)
    for name, stream in resolved.histories.items():
        state.kept.histories[name].add(stream.keys, stream.values[:, 0], stream.times_us)
    times_us = [int(columns.log_time_us[-1]) for columns in batch.kinds.values()]
    state.last_seq, state.last_log_time_us = batch.last_seq, max(times_us)


def assert_same(one: OnlineState, other: OnlineState) -> None:
    arrays, others = (dict(freeze(state.resolver, state.kept)()) for state in (one, other))
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], name)


def batches(app: App, happened: list[Happening], max_rows: int) -> Iterator[Batch]:
    codecs = {schema.kind: BodyCodec(schema) for schema in log_schemas(app)}
    now_us, rows = START_US, []
    for seq, one in enumerate(happened, 1):
        now_us += one.wait_us
        body, _ = codecs[one.kind].encode(one.fields)
        rows.append(TailRow(seq, now_us, one.kind, now_us, None, body))
    for first in range(0, len(rows), max_rows):
        yield batch_from_rows(rows[first : first + max_rows], codecs)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(app=apps(), happened=happenings(), max_rows=st.integers(1, 9), data=st.data())
def test_a_program_adds_what_streams_add(
    app: App, happened: list[Happening], max_rows: int, data: st.DataObject
) -> None:
    by_program, by_stream = OnlineState(app), OnlineState(app)
    for batch in batches(app, happened, max_rows):
        by_program.apply(batch)
        add_streams(by_stream, batch)
        if data.draw(st.integers(0, 4)) == 0:  # arrays take the place of others
            by_program.release()
            by_stream.release()
        assert_same(by_program, by_stream)


def test_a_structure_grows_in_the_middle_of_a_batch() -> None:
    app = sl.App("growing")
    user, item = app.entity("user"), app.entity("item", topic=str)
    watch = app.event("watch", user, item, watch_s=float)
    app.features(
        sl.count(watch, by=(user, item), window="1h"),
        sl.mean(watch.watch_s, by=item, window=["1h", "1d"]),
        sl.recency(watch, by=(user, item.topic)),
        sl.recency(watch, by=item),
        sl.last(watch, by=user, n=20),
    )
    happened = [
        Happening(1000, "watch", {"user": f"u{n % 97}", "item": f"i{n * 31 % 1009}", "watch_s": n / 7})
        for n in range(2000)
    ]
    by_program, by_stream = OnlineState(app), OnlineState(app)
    for batch in batches(app, happened, 700):
        by_program.apply(batch)
        add_streams(by_stream, batch)
        assert_same(by_program, by_stream)
