"""Readers beside the writer: what grows, is released, copied or folded piece by piece shows in no read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.log.columns import Batch, Columns, Strings

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
NUM_VIDEOS = 40_000  # beyond the size from which arrays are grown ahead


def declaration() -> App:
    app = sl.App("beside")
    user = app.entity("user")
    video = app.entity("video", topic=str, published=sl.Time)
    watch = app.event("watch", user, video, watch_s=float)
    app.features(
        sl.count(watch, by=video, window=["1h", "1d"]),
        sl.count(watch, window="1d"),
        sl.count(watch, by=(user, video.topic), window="1d"),
        sl.recency(watch, by=video),
        sl.last(watch, by=user, n=5),
        video.topic,
    )
    return app


class Writer:
    """Makes batches in which every video is watched once, in turn."""

    def __init__(self, num_videos: int = NUM_VIDEOS) -> None:
        self.seq, self.num_videos = 0, num_videos

    def batch(self, size: int, wait_us: int = 1000) -> Batch:
        """Return the next watches, a few users in turn."""
        seqs = self.seq + 1 + np.arange(size)
        self.seq += size
        videos = (seqs - 1) % self.num_videos
        distinct, codes = np.unique(videos, return_inverse=True)
        fields = {
            "user": Strings((seqs % 7).astype(np.int32), [f"u{number}" for number in range(7)]),
            "video": Strings(codes.astype(np.int32), [f"v{number}" for number in distinct]),
            "watch_s": np.ones(size),
        }
        times_us = HOUR_US + seqs * wait_us
        return Batch(int(seqs[0]), self.seq, {"watch": Columns("watch", seqs, times_us, times_us, fields)})  # type: ignore[arg-type]


def beside(state: OnlineState, act: Callable[[], object]) -> int:
    """Act while another thread reads; every read must be of one log position. Return how many there were."""
    encoding = Encoding(state.plan.names, {name: ["t1"] for name in state.plan.categorical})
    stop, wrong, num_reads = threading.Event(), [], 0

    def read() -> None:
        nonlocal num_reads
        while not stop.is_set():
            codes = np.arange(len(state.items))[:: max(1, len(state.items) // 500)]
            with state.lock:
                seq, time_us = state.last_seq, state.moment(0)
                matrix = state.features(0, codes, time_us, {}, encoding)
            # One watch a record, all within a day: counts over everything are the position itself.
            if len(codes) and not (matrix[:, 2] == seq).all():
                wrong.append((seq, matrix[0].tolist()))
            expected = np.maximum(0, (seq - 1 - codes) // NUM_VIDEOS + 1)
            if not np.array_equal(matrix[:, 1], expected):
                wrong.append((seq, "a video's own watches"))
            num_reads += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        act()
    finally:
        stop.set()
        reader.join()
    assert not wrong, wrong[:3]
    return num_reads


@pytest.fixture
def warm() -> OnlineState:
    """A state whose kernels are compiled."""
    state = OnlineState(declaration())
    assert beside(state, lambda: state.apply(Writer().batch(10))) >= 0
    return state


def test_a_reader_sees_whole_positions_while_everything_grows(warm: OnlineState) -> None:
    state, writer = OnlineState(declaration()), Writer()

    def fold() -> None:
        for size in (1, 20, 2000, 7, 30_000, 500, 50_000):
            state.apply(writer.batch(size))

    assert beside(state, fold) > 0
    assert state.last_seq == writer.seq


def test_a_reader_sees_no_release_and_no_snapshot(warm: OnlineState, tmp_path: Path) -> None:
    state, writer = OnlineState(declaration()), Writer()
    state.apply(writer.batch(60_000))

    def tidy() -> None:
        for _ in range(3):
            state.release()
            state.snapshot(tmp_path)
            state.apply(writer.batch(100))

    assert beside(state, tidy) > 0
    restored = OnlineState.restore(state.app, tmp_path)
    assert restored.last_seq == writer.seq - 100


class Witness:
    """A lock that remembers the position of the state whenever it is let go."""

    def __init__(self, state: OnlineState) -> None:
        self._state, self._lock = state, threading.RLock()
        self.positions: list[int] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.positions.append(self._state.last_seq)
        self._lock.release()


def test_a_reader_waits_for_a_piece_of_a_large_batch_and_not_for_all_of_it() -> None:
    state = OnlineState(declaration())
    state.lock = witness = Witness(state)  # type: ignore[assignment]
    state.apply(Writer().batch(4500))
    assert witness.positions == [1000, 2000, 3000, 4000, 4500]


def test_pieces_and_the_whole_give_the_same_state() -> None:
    whole, pieces = OnlineState(declaration()), OnlineState(declaration())
    one, many = Writer(900), Writer(900)
    whole.apply(one.batch(3500))
    for size in (1, 20, 50, 1429, 2000):
        pieces.apply(many.batch(size))
    encoding = Encoding(whole.plan.names, {name: ["t1"] for name in whole.plan.categorical})
    (history,) = whole.plan.histories.values()
    for user in range(7):
        reads = [
            state.features(user, np.arange(-1, 901), state.moment(0), {}, encoding)
            for state in (whole, pieces)
        ]
        assert reads[0].tobytes() == reads[1].tobytes()
        codes = [state.history(history, user, state.moment(0)).tolist() for state in (whole, pieces)]
        assert codes[0] == codes[1]
