"""The online state by itself: bounded memory, snapshots, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features import snapshot
from shortlist.features.encoders import Encoding
from shortlist.features.online import LogGap, OnlineState
from shortlist.features.rows import after, upto
from shortlist.features.snapshot import FILE, SnapshotMismatch, read_snapshot, write_snapshot
from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary
from shortlist.log.columns import Batch, Columns, Floats, Strings

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


def test_a_snapshot_takes_what_the_state_holds_and_not_its_room(tmp_path: Path) -> None:
    """20,000 videos are known and few were watched; the last of them makes every array long."""
    videos = [f"v{n}" for n in range(20_000)]
    fields = {
        "video": Strings(np.arange(20_000, dtype=np.int32), videos),
        "topic": Strings(np.zeros(20_000, np.int32), ["t"]),
    }
    now = np.arange(1, 20_001)
    update = Columns("video", now, now, now, fields)  # type: ignore[arg-type]
    small, large = OnlineState(declaration()), OnlineState(declaration())
    for state, watched in ((small, ["v0", "v1", "v2"]), (large, ["v0", "v1", "v19999"])):
        state.apply(Batch(1, 20_000, {"video": update}))
        state.apply(watches(20_001, 30_000 + np.arange(30), ["u"], watched))
        state.snapshot(tmp_path / watched[2])
    size, most = ((tmp_path / name / FILE).stat().st_size for name in ("v2", "v19999"))
    assert most < size + 2 * 20_000  # a byte an item for the counts of its one arena, and not 40
    restored = OnlineState.restore(declaration(), tmp_path / "v19999")
    asked = ["v0", "v1", "v2", "v19999"]
    assert read(restored, "u", asked).tobytes() == read(large, "u", asked).tobytes()
    restored.snapshot(tmp_path / "again")
    assert (tmp_path / "again" / FILE).read_bytes() == (tmp_path / "v19999" / FILE).read_bytes()


def test_a_snapshot_of_many_pieces_holds_every_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_BYTES_AT_ONCE", 7)
    monkeypatch.setattr(snapshot, "_SYNC_BYTES", 100)
    records = np.zeros(5, [("0", np.int8), ("1", np.int32)])
    records["1"] = np.arange(5)
    arrays = {
        "none": np.empty(0, np.int64),
        "none/of/a/width": np.empty((0, 5), np.float32),
        "bools": np.arange(33) % 3 == 0,
        "records": records,
        "columns": np.asfortranarray(np.arange(60).reshape(12, 5)),
        "some of a column": np.arange(90)[::7],
    }
    write_snapshot(tmp_path, "declared", (3, 4), arrays.items())
    position, read = read_snapshot(tmp_path, "declared")
    assert position == (3, 4)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, name)
        assert read[name].dtype == array.dtype


def test_growth_counts_from_the_last_release_and_from_a_snapshot(tmp_path: Path) -> None:
    state = OnlineState(declaration())
    state.apply(watches(1, np.arange(2000), [f"u{n}" for n in range(500)], ["a"]))
    state.release()
    assert state.growth == 0
    state.apply(watches(2001, np.arange(2000, 9000), [f"w{n}" for n in range(7000)], ["a"]))
    assert state.growth > 0.5
    state.snapshot(tmp_path)
    assert OnlineState.restore(state.app, tmp_path).growth == 0


@pytest.mark.parametrize(
    "header", [{"fingerprint": "f", "last_seq": 1, "last_log_time_us": 1}, {"format": 1}]
)
def test_a_snapshot_of_another_format_is_refused(header: dict[str, object], tmp_path: Path) -> None:
    written = {"fingerprint": declaration().fingerprint(), "last_seq": 1, "last_log_time_us": 1} | header
    np.savez(tmp_path / FILE, header=np.frombuffer(json.dumps(written).encode(), np.uint8))
    with pytest.raises(SnapshotMismatch, match="the state is rebuilt from the log"):
        OnlineState.restore(declaration(), tmp_path)


def test_a_batch_after_a_gap_is_refused_and_changes_nothing() -> None:
    state = OnlineState(declaration())
    state.apply(watches(1, np.arange(5), ["u"], ["a"]))
    with pytest.raises(LogGap, match=r"expected record 6 next, received record 7; .* catch_up"):
        state.apply(watches(7, np.array([5]), ["u"], ["a"]))
    assert state.last_seq == 5
    state.apply(watches(6, np.array([5, 6]), ["u"], ["a"]))
    assert read(state, "u", ["a"])[0, 0] == 7


def test_a_kind_that_the_declaration_no_longer_names_is_passed_over() -> None:
    state = OnlineState(declaration())
    kept, gone = watches(1, np.arange(5), ["u"], ["a"]), watches(6, np.arange(5, 9), ["u"], ["a"])
    state.apply(Batch(1, 9, kept.kinds | {"gone": replace(gone.kinds["watch"], kind="gone")}))
    assert state.last_seq == 9
    assert read(state, "u", ["a"])[0, 0] == 5


def test_a_snapshot_is_of_one_moment_though_records_come_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that held a later topic would count the tail's watches under it."""
    app = declaration()
    state = OnlineState(app)
    first = Batch(1, 6, watches(2, np.arange(5), ["u"], ["a"]).kinds | updates(1, "t1"))
    tail = [watches(7, np.array([5]), ["u"], ["a"]), Batch(8, 8, updates(8, "t2"))]

    def slow_write(folder: Path, *snapshot: object) -> None:
        for batch in tail:
            state.apply(batch)
        write_snapshot(folder, *snapshot)  # type: ignore[arg-type]

    monkeypatch.setattr("shortlist.features.online.write_snapshot", slow_write)
    state.apply(first)
    state.snapshot(tmp_path)
    restored = OnlineState.restore(app, tmp_path)
    for batch in (*tail, Batch(9, 9, updates(9, "t1"))):
        restored.apply(batch)
    assert read(restored, "u", ["a"])[0, 3] == 6


def updates(seq: int, topic: str) -> dict[str, Columns]:
    """Return one update of the video "a"."""
    now = np.array([seq])
    fields = {
        "video": Strings(np.array([0], np.int32), ["a"]),
        "topic": Strings(np.array([0], np.int32), [topic]),
    }
    return {"video": Columns("video", now, now - 1, now - 1, fields)}  # type: ignore[arg-type]


def test_a_text_is_numbered_by_the_encoding_however_the_vocabulary_grew() -> None:
    encoding, vocabulary = Encoding(["topic"], {"topic": ["t1", "t2"]}), Vocabulary()
    for texts in ([], ["t3"], ["t2"], ["t4", "t1"]):
        vocabulary.insert(texts)
        codes = np.array([-1, *vocabulary.codes(["t1", "t2", "t3"])])
        numbers = encoding.encode("topic", Values("str", codes, codes >= 0, vocabulary))
        known = [n if t in vocabulary.texts() else np.nan for t, n in (("t1", 0.0), ("t2", 1.0))]
        assert np.array_equal(numbers, [np.nan, *known, np.nan], equal_nan=True)
    other = Vocabulary(["t2"])
    numbers = encoding.encode("topic", Values("str", np.array([0]), np.array([True]), other))
    assert numbers.tolist() == [1.0]


def test_a_batch_can_be_cut_anywhere_and_its_end_is_not_known_before_it() -> None:
    times_us = DAY_US + np.arange(40) * SECOND_US
    users, videos = [f"u{n}" for n in range(7)], [f"v{n}" for n in range(11)]
    whole = OnlineState(declaration())
    whole.apply(watches(1, times_us, users, videos))
    for cut in (1, 5, 23, 40):
        batch, state = watches(1, times_us, users, videos), OnlineState(declaration())
        state.apply(upto(batch, cut))
        assert state.last_seq == cut
        assert set(state.items.vocabulary.texts()) == set(videos[:cut])
        assert set(state.users.vocabulary.texts()) == set(users[:cut])
        state.apply(after(batch, cut))
        assert state.last_seq == 40
        np.testing.assert_array_equal(read(state, "u3", videos), read(whole, "u3", videos))


def test_a_cut_keeps_nulls_and_lists() -> None:
    fields = {
        "topic": Strings(np.array([-1, 1, 0, 1], np.int32), ["a", "b"]),
        "vector": Floats(np.array([0, 2, 2, 3, 5]), np.arange(5, dtype=np.float32)),
    }
    seqs = np.arange(1, 5)
    batch = Batch(1, 4, {"video": Columns("video", seqs, seqs, seqs, fields)})  # type: ignore[arg-type]
    cut = upto(batch, 2).kinds["video"]
    topic, vector = cut.fields["topic"], cut.fields["vector"]
    assert isinstance(topic, Strings)
    assert isinstance(vector, Floats)
    assert [topic.values[code] if code >= 0 else None for code in topic.codes] == [None, "b"]
    assert topic.values == ["b"]
    assert vector.offsets.tolist() == [0, 2, 2]
    assert upto(batch, 0).kinds == {}
