"""The offline engine against definitions in loops, and against the online structures, bit for bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.kernels.naive import Event, window_sums
from shortlist.features.kernels import point_in_time
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.recent import RecentItems

NUM_KEYS = 4
INT64_MIN = -(2**63)


class Request(NamedTuple):
    key: int
    as_of: int
    time_us: int


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Events in log order: rising sequence numbers with gaps, times with ties, some without a key."""
    events, seq, now = [], draw(st.integers(0, 3)), draw(st.integers(-60, 3))
    steps = st.tuples(
        st.integers(1, 3),
        st.sampled_from([0, 0, 0, 1, 1, 3, 20]),
        st.integers(-1, NUM_KEYS - 1),
        st.integers(),
    )
    for seq_gap, time_gap, key, value in draw(st.lists(steps, max_size=40)):
        seq, now = seq + seq_gap, now + time_gap
        events.append(Event(seq, now, key, ((value + 2**63) % 2**64 - 2**63, seq)))
    return events


@st.composite
def requests_of(draw: st.DrawFn, events: list[Event]) -> list[Request]:
    """Requests in any order: before, at, between and after events, for known and unknown keys."""
    seqs = [0, *[event.seq for event in events], 2**63 - 1]
    times = [-100, *[event.time_us for event in events], 200]
    return [
        Request(key, seq + seq_offset if seq < 2**62 else seq, time + time_offset)
        for key, seq, seq_offset, time, time_offset in draw(
            st.lists(
                st.tuples(
                    st.integers(-1, NUM_KEYS + 1),
                    st.sampled_from(seqs),
                    st.integers(-1, 1),
                    st.sampled_from(times),
                    st.integers(-1, 1),
                ),
                max_size=25,
            )
        )
    ]


def event_arrays(events: list[Event]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    values = np.array([event.values for event in events], dtype=np.int64).reshape(-1, 2)
    columns = np.array([event[:3] for event in events], dtype=np.int64).reshape(-1, 3)
    return columns[:, 2], columns[:, 0], columns[:, 1], values


def request_arrays(requests: list[Request]) -> np.ndarray:
    return np.array(requests, dtype=np.int64).reshape(-1, 3).T


@settings(max_examples=200, deadline=None)
@given(data=st.data(), events=logs(), finest=st.integers(1, 3), coarse=st.integers(1, 4))
def test_window_sums_are_the_sums_by_definition(
    data: st.DataObject, events: list[Event], finest: int, coarse: int
) -> None:
    tiles = [finest, finest * coarse, finest * coarse]
    windows = [finest * 4, finest * coarse, finest * coarse * 5]
    requests = data.draw(requests_of(events))
    keys, seqs, times, values = event_arrays(events)
    sums = point_in_time.window_sums(
        keys, seqs, times, values, *request_arrays(requests), windows, tiles, NUM_KEYS + 1
    )
    expected = [
        window_sums(events, key, as_of, time_us, windows, tiles, num_lanes=2)
        for key, as_of, time_us in requests
    ]
    np.testing.assert_array_equal(sums, np.array(expected, dtype=np.int64).reshape(-1, 3, 2))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), events=logs(), n=st.integers(1, 6), max_age=st.sampled_from([-1, 0, 1, 5, 30]))
def test_histories_are_the_ends_of_lists(
    data: st.DataObject, events: list[Event], n: int, max_age: int
) -> None:
    requests = data.draw(requests_of(events))
    keys, seqs, times, _ = event_arrays(events)
    items = np.array(
        data.draw(st.lists(st.integers(-1, 5), min_size=len(events), max_size=len(events))), np.int64
    )
    asked = request_arrays(requests)
    last = point_in_time.last_items(keys, items, seqs, times, *asked, n, max_age)
    last_time = point_in_time.last_times(keys, seqs, times, *asked)
    latest = {flag: point_in_time.as_of_rows(keys, seqs, times, *asked, flag) for flag in (False, True)}
    for row, (key, as_of, time_us) in enumerate(requests):
        known = [i for i, event in enumerate(events) if event.key == key >= 0 and event.seq <= as_of]
        visible = [i for i in known if events[i].time_us < time_us]
        recent = [i for i in visible if max_age < 0 or events[i].time_us >= time_us - max_age]
        expected = [int(items[i]) for i in recent if items[i] >= 0][::-1][:n]
        assert last[row].tolist() == expected + [-1] * (n - len(expected))
        assert last_time[row] == (events[visible[-1]].time_us if visible else INT64_MIN)
        assert latest[False][row] == (known[-1] if known else -1)
        assert latest[True][row] == (visible[-1] if visible else -1)


def test_online_and_offline_give_the_same_bits() -> None:
    rng = np.random.default_rng(7)
    hour, num_events, num_keys, num_batches = 3_600_000_000, 40_000, 300, 200
    windows, tiles = [hour, 24 * hour, 168 * hour], [hour // 60, hour, hour]
    times = np.sort(rng.integers(-200 * hour, 400 * hour, num_events)) // 1_000 * 1_000
    keys = (num_keys * rng.random(num_events) ** 3).astype(np.int64) - 1
    values = rng.integers(-(2**62), 2**62, (num_events, 2))
    items, seqs = rng.integers(0, 1_000, num_events), np.arange(1, num_events + 1)
    arena, recent = TileArena(windows, tiles, 2), RecentItems(20)
    asked = np.arange(-1, num_keys)
    online, histories, as_of, moments = [], [], [], []
    for batch in np.array_split(np.arange(num_events), num_batches):
        arena.add(keys[batch], times[batch], values[batch])
        recent.add(keys[batch], items[batch], times[batch])
        now = int(times[batch[-1]]) + 1
        if rng.random() < 0.1:
            arena.release(now)
        online.append(arena.read(asked, now))
        histories.append(recent.read_many(asked, now, 24 * hour))
        as_of.append(np.full(len(asked), seqs[batch[-1]]))
        moments.append(np.full(len(asked), now))
    shuffled = rng.permutation(num_batches * len(asked))
    requests = [np.concatenate(column)[shuffled] for column in ([asked] * num_batches, as_of, moments)]
    sums = point_in_time.window_sums(keys, seqs, times, values, *requests, windows, tiles, num_keys)
    last = point_in_time.last_items(keys, items, seqs, times, *requests, 20, 24 * hour)
    np.testing.assert_array_equal(sums, np.concatenate(online)[shuffled])
    np.testing.assert_array_equal(last, np.concatenate(histories)[shuffled])
    assert np.count_nonzero(sums) > 0.3 * sums.size


def test_a_log_out_of_order_is_refused() -> None:
    two = np.array([0, 0])
    with pytest.raises(AssertionError, match="log order"):
        point_in_time.GroupedEvents(two, np.array([2, 1]), two, 1)
    with pytest.raises(AssertionError, match="step back"):
        point_in_time.GroupedEvents(two, np.array([1, 2]), np.array([5, 4]), 1)
