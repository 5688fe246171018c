"""The online arena against the definition of a window sum, under pressure to compact, release and restart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.kernels.naive import Event, window_sums
from shortlist.features.kernels.arena import TileArena

INT64 = st.integers(-(2**63), 2**63 - 1)
NUM_KEYS = 4


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Windows and tiles: each tile a multiple of the finer, each window a multiple of its tile."""
    finest = draw(st.integers(1, 3))
    coarser = finest * draw(st.integers(1, 4))
    tiles = draw(st.lists(st.sampled_from([finest, coarser, coarser * 3]), min_size=1, max_size=4))
    return [tile * draw(st.integers(1, 6)) for tile in tiles], tiles


def as_arrays(events: list[Event], num_lanes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.array([event.values for event in events], dtype=np.int64).reshape(len(events), num_lanes)
    return (
        np.array([event.key for event in events], dtype=np.int64),
        np.array([event.time_us for event in events], dtype=np.int64),
        values,
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data(), span=spans(), num_lanes=st.integers(1, 3))
def test_every_read_is_the_sum_by_definition(
    data: st.DataObject, span: tuple[list[int], list[int]], num_lanes: int
) -> None:
    windows, tiles = span
    arena = TileArena(windows, tiles, num_lanes)
    events: list[Event] = []
    now = data.draw(st.integers(-40, 5))
    asked = np.arange(-1, NUM_KEYS + 2)
    for _ in range(data.draw(st.integers(1, 12))):
        batch = []
        for gap, key, values in data.draw(
            st.lists(
                st.tuples(
                    st.sampled_from([0, 0, 0, 1, 1, 2, 5, 30]),
                    st.integers(-1, NUM_KEYS - 1),
                    st.tuples(*[st.one_of(st.integers(-9, 9), INT64)] * num_lanes),
                ),
                max_size=12,
            )
        ):
            now += gap
            batch.append(Event(len(events) + len(batch), now, key, values))
        arena.add(*as_arrays(batch, num_lanes))
        events += batch
        step = data.draw(st.sampled_from(["read", "read", "release", "restart"]))
        read_at = now + 1 + data.draw(st.sampled_from([0, 0, 1, 7, 50]))
        if step == "release":
            before = arena.nbytes
            assert arena.release(read_at) == before - arena.nbytes
            now = read_at
            read_at += 1
        elif step == "restart":
            arena = TileArena.restore(windows, tiles, num_lanes, arena.snapshot())
        expected = [window_sums(events, key, 2**62, read_at, windows, tiles, num_lanes) for key in asked]
        np.testing.assert_array_equal(arena.read(asked, read_at), np.array(expected))


def test_a_hot_key_costs_tiles_not_events() -> None:
    windows, tiles = [3_600, 86_400, 604_800], [60, 3_600, 3_600]
    arena = TileArena(windows, tiles, 2)
    num_events, num_batches = 1_000_000, 20
    step_s = 2
    keys = np.zeros(num_events, dtype=np.int64)
    times = np.arange(num_events, dtype=np.int64) * step_s
    values = np.stack([np.ones(num_events, dtype=np.int64), times], axis=1)
    bound = sum(window // tile + 2 for window, tile in zip(windows, tiles, strict=True))
    for batch in np.array_split(np.arange(num_events), num_batches):
        arena.add(keys[batch], times[batch], values[batch])
        assert arena.nbytes < 6 * bound * 24  # 24 bytes an entry; doubling and freed smaller segments
    now = int(times[-1]) + 1
    for w, (window, tile) in enumerate(zip(windows, tiles, strict=True)):
        inside = times >= (now - window) // tile * tile
        assert arena.read(np.array([0]), now)[0, w].tolist() == [inside.sum(), times[inside].sum()]
    arena.release(now)
    assert arena.num_entries <= bound


def test_release_forgets_keys_that_no_window_reaches() -> None:
    arena = TileArena([100], [10], 1)
    keys = np.arange(1_000)
    arena.add(keys, np.zeros(1_000, dtype=np.int64), np.ones((1_000, 1), dtype=np.int64))
    arena.add(np.array([7]), np.array([50]), np.array([[5]]))
    before = arena.nbytes
    freed = arena.release(115)
    assert freed == before - arena.nbytes > 0.9 * before
    assert arena.num_entries == 1
    assert np.flatnonzero(arena.live(1_000)).tolist() == [7]
    assert arena.read(np.array([7, 8]), 116).ravel().tolist() == [5, 0]
    arena.release(10_000)
    assert arena.num_entries == 0
    arena.add(np.array([8]), np.array([10_000]), np.array([[3]]))
    assert arena.read(np.array([7, 8]), 10_001).ravel().tolist() == [0, 3]


def test_read_takes_any_integer_layout() -> None:
    arena = TileArena([10], [1], 2)
    values = np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=np.int32))
    keys = np.array([0, 9, 1, 9], dtype=np.int16)[::2]
    keys.flags.writeable = False
    arena.add(keys, np.array([0, 0]), values)
    assert arena.read(keys, 1).tolist() == [[[1, 2]], [[3, 4]]]


@pytest.mark.parametrize(("windows", "tiles"), [([10], [3]), ([10, 12], [2, 3]), ([], [])])
def test_spans_that_do_not_nest_are_our_own_mistake(windows: list[int], tiles: list[int]) -> None:
    with pytest.raises(AssertionError):
        TileArena(windows, tiles, 1)
