"""The online state by itself: bounded memory, snapshots, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.features.snapshot import FILE, SnapshotMismatch
from shortlist.log.columns import Batch, Columns, Strings

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def declaration(name: str = "small") -> App:
    app = sl.App(name)
    user = app.entity("user")
    video = app.entity("video", topic=str)
    watch = app.event("watch", user, video, watch_s=float)
    app.features(
        sl.count(watch, by=video, window=["1h", "1d"]),
        sl.sum(watch.watch_s, by=user, window="1h"),
        sl.count(watch, by=(user, video.topic), window="1h"),
        video.topic,
    )
    return app


def watches(first_seq: int, times_us: np.ndarray, users: list[str], videos: list[str]) -> Batch:
    """Return a batch of watches of one second each; lists shorter than the times repeat."""

    def column(values: list[str]) -> Strings:
        return Strings((np.arange(len(times_us)) % len(values)).astype(np.int32), values)

    seqs = np.arange(first_seq, first_seq + len(times_us))
    fields = {"user": column(users), "video": column(videos), "watch_s": np.ones(len(times_us))}
    columns = Columns("watch", seqs, times_us, times_us, fields)  # type: ignore[arg-type]
    return Batch(first_seq, int(seqs[-1]), {"watch": columns})


def read(state: OnlineState, user: str, videos: list[str], after_us: int = 1) -> np.ndarray:
    encoding = Encoding(state.plan.names, {name: ["t1"] for name in state.plan.categorical})
    codes = state.items.vocabulary.codes(videos)
    time_us = state.moment(state.last_log_time_us + after_us)
    return state.features(state.users.vocabulary.code(user), codes, time_us, {}, encoding)


def test_a_hot_item_costs_its_tiles_and_not_its_events() -> None:
    state, cold = OnlineState(declaration()), OnlineState(declaration())
    num_events = 400_000
    times_us = np.linspace(0, 10 * DAY_US, num_events).astype(np.int64)
    state.apply(watches(1, times_us, ["u"], ["hot"]))
    cold.apply(watches(1, times_us[:: num_events // 2000], ["u"], ["hot"]))
    assert state.num_bytes < 2 * cold.num_bytes
    in_a_day = np.sum(times_us >= (10 * DAY_US + 1 - DAY_US) // (900 * SECOND_US) * (900 * SECOND_US))
    assert read(state, "u", ["hot"])[0, 1] == in_a_day


def test_what_no_window_reaches_is_released() -> None:
    state = OnlineState(declaration())
    users = [f"u{n}" for n in range(2000)]
    state.apply(watches(1, np.arange(20_000), users, [f"v{n}" for n in range(3000)]))
    full = state.num_bytes
    state.apply(watches(20_001, np.array([3 * DAY_US]), ["u0"], ["v0"]))
    assert state.release() > 0
    assert state.num_bytes < full / 4
    assert read(state, "u0", ["v0", "v1"])[:, :2].tolist() == [[1, 1], [0, 0]]


def test_a_batch_applied_twice_or_in_part_counts_once() -> None:
    app = declaration()
    once, twice = OnlineState(app), OnlineState(app)
    first, both = watches(1, np.arange(5), ["u"], ["a", "b"]), watches(1, np.arange(9), ["u"], ["a", "b"])
    once.apply(both)
    for batch in (first, both, first):
        twice.apply(batch)
    assert twice.last_seq == once.last_seq == 9
    assert read(twice, "u", ["a", "b"]).tobytes() == read(once, "u", ["a", "b"]).tobytes()


def test_unknown_user_and_items_have_values_all_the_same() -> None:
    state = OnlineState(declaration())
    state.apply(watches(1, np.arange(5), ["u"], ["a"]))
    matrix = read(state, "nobody", ["a", "nothing"])
    assert matrix[:, 0].tolist() == [5, 0]
    assert matrix[:, 2].tolist() == [0, 0]
    assert read(OnlineState(declaration()), "nobody", []).shape == (0, 5)


def test_an_encoding_of_other_columns_is_refused() -> None:
    state = OnlineState(declaration())
    with pytest.raises(ValueError, match="expected the 5 columns of this declaration, received 1 others"):
        state.features(-1, np.array([-1]), 1, {}, Encoding(["other"], {}))


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "foreign"])
def test_a_snapshot_that_cannot_be_used_says_so(damage: str, tmp_path: Path) -> None:
    app = declaration()
    state = OnlineState(app)
    state.apply(watches(1, np.arange(5), ["u"], ["a"]))
    state.snapshot(tmp_path)
    file = tmp_path / FILE
    body = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(body[: len(body) // 2])
    elif damage == "flipped":
        body[body.find(b"attribution/pending.npy") + 200] ^= 255
        file.write_bytes(body)
    else:
        app = declaration("another")
    with pytest.raises(SnapshotMismatch, match="the state is rebuilt from the log"):
        OnlineState.restore(app, tmp_path)
