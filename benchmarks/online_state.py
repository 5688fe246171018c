"""What the online state costs: read of one request, update by one event, memory of a hot key, compile time.

One request reads 500 items and 8 windowed features of four structures (user 1h/1d/7d and a mean over 7d,
item 1h/1d and a rate over 7d, user x topic 7d) and the last 20 items of the user. One event updates the
three arenas and the history. Times are wall-clock: medians and minima over many repeats.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.key_index import PairIndex
from shortlist.features.kernels.recent import RecentItems

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
NUM_USERS, NUM_ITEMS, NUM_TOPICS, NUM_EVENTS, NUM_CANDIDATES = 100_000, 50_000, 20, 2_000_000, 500
REPEATS = 2_000
WINDOWS_US, TILES_US = [HOUR_US, DAY_US, 7 * DAY_US], [MINUTE_US, HOUR_US, HOUR_US]


def main() -> None:
    print(f"compile everything from a cold cache: {cold_compile_cpu_s():.1f} CPU s")
    rng = np.random.default_rng(3)
    State().add(*events(rng, 100, DAY_US))  # compiles, or loads what is compiled
    state = State()
    history = events(rng, NUM_EVENTS, 14 * DAY_US)
    seconds = timed(lambda: state.add(*history))
    fold_us = seconds / NUM_EVENTS * 1e6
    print(f"bulk fold of {NUM_EVENTS:,} events: {fold_us:.2f} us an event, {state.nbytes / 1e6:.0f} MB")

    candidates = zipf_like(rng, (REPEATS, NUM_CANDIDATES), NUM_ITEMS)
    users = zipf_like(rng, REPEATS, NUM_USERS)
    calls = [partial(state.read, user, items) for user, items in zip(users, candidates, strict=True)]
    report("read 500 items x 8 features + last-20, ms", 1e3, calls)

    for size in (1, 100):
        starts_us = state.now_us + np.arange(REPEATS) * SECOND_US
        batches = [events(rng, size, SECOND_US, start_us) for start_us in starts_us]
        calls = [partial(state.add, *batch) for batch in batches]
        report(f"update of 4 structures, batches of {size}, us an event", 1e6 / size, calls)
        state.now_us += REPEATS * SECOND_US
    hot_key(1_000)
    hot_key(10_000_000)


class State:
    """Three arenas, a pair index and a history."""

    def __init__(self) -> None:
        self.users = TileArena(WINDOWS_US, TILES_US, num_lanes=2)
        self.items = TileArena(WINDOWS_US, TILES_US, num_lanes=2)
        self.crosses = TileArena([7 * DAY_US], [HOUR_US], num_lanes=1)
        self.pairs = PairIndex()
        self.last = RecentItems(20)
        self.now_us = 14 * DAY_US + 1

    def add(self, users: np.ndarray, items: np.ndarray, times_us: np.ndarray, values: np.ndarray) -> None:
        """Fold events; values int64[N, 2] are 1 and the milliseconds watched."""
        self.users.add(users, times_us, values)
        self.items.add(items, times_us, values)
        self.crosses.add(self.pairs.insert(users, items % NUM_TOPICS), times_us, values[:, :1])
        self.last.add(users, items, times_us)

    def read(self, user: int, items: np.ndarray) -> None:
        """Read what one request for `user` needs of every candidate."""
        self.users.read(np.array([user]), self.now_us)
        self.items.read(items, self.now_us)
        topics = np.arange(NUM_TOPICS)
        by_topic = self.crosses.read(self.pairs.find(np.full(NUM_TOPICS, user), topics), self.now_us)
        by_topic[items % NUM_TOPICS]
        self.last.read(user, self.now_us)

    @property
    def nbytes(self) -> int:
        """Bytes of all structures."""
        return sum(part.nbytes for part in (self.users, self.items, self.crosses, self.pairs, self.last))


def zipf_like(rng: np.random.Generator, size: int | tuple[int, int], num: int) -> np.ndarray:
    return (num * rng.random(size) ** 3).astype(np.int64)


def events(
    rng: np.random.Generator, size: int, span_us: int, start_us: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    times_us = start_us + np.sort(rng.integers(0, span_us, size))
    values = np.stack([np.ones(size, dtype=np.int64), rng.integers(0, 60_000, size)], axis=1)
    return zipf_like(rng, size, NUM_USERS), zipf_like(rng, size, NUM_ITEMS), times_us, values


def hot_key(num_events: int) -> None:
    arena = TileArena(WINDOWS_US, TILES_US, num_lanes=2)
    chunk = min(num_events, 1_000_000)
    step_us = 14 * DAY_US // num_events
    for first in range(0, num_events, chunk):
        times_us = (first + np.arange(chunk)) * step_us
        arena.add(np.zeros(chunk, dtype=np.int64), times_us, np.ones((chunk, 2), dtype=np.int64))
    read = partial(arena.read, np.zeros(1, dtype=np.int64), num_events * step_us)
    size = f"{arena.nbytes:,} bytes, {arena.num_entries} entries"
    report(f"one key with {num_events:,} events in 14 days ({size}), read us", 1e6, [read] * REPEATS)


def report(what: str, scale: float, calls: Sequence[Callable[[], object]]) -> None:
    seconds = sorted(timed(call) for call in calls)
    print(f"{what}: {seconds[len(seconds) // 2] * scale:.2f} (min {seconds[0] * scale:.2f})")


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


COMPILE = """
import time
import numpy as np
from shortlist.features.kernels import point_in_time
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.attribution import Attribution
from shortlist.features.kernels.key_index import PairIndex
from shortlist.features.kernels.recent import RecentItems
start = time.process_time()
one = np.zeros(1, dtype=np.int64)
arena = TileArena([10], [1], 1)
arena.add(one, one, one[:, None])
arena.read(one, 1)
arena.release(1)
last = RecentItems(3)
last.add(one, one, one)
last.read(0, 1)
last.release(1)
pairs = PairIndex()
pairs.remove(pairs.insert(np.arange(20), np.arange(20)))
pairs.find(one, one)
PairIndex.restore(pairs.snapshot())
Attribution([4]).apply(one == 0, one, one, one, one, one)
point_in_time.window_sums(one, one, one, one[:, None], one, one, one, [10], [1], 1)
point_in_time.last_items(one, one, one, one, one, one, one, 3)
print(time.process_time() - start)
"""


def cold_compile_cpu_s() -> float:
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        done = subprocess.run(
            [sys.executable, "-c", COMPILE], env=environment, capture_output=True, check=True
        )
    return float(done.stdout)


if __name__ == "__main__":
    main()
