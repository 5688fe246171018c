"""What was shown is in the log, with what it takes to compute it again, bit for bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from online.product import ITEMS, USERS, recommend, running, send, watch
from shortlist.features.offline import History
from shortlist.log.sqlite import SqliteLog
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents

NUM_ASKED = 15


def logged(data, request_id):
    """The impressions of one request, by position."""
    with SqliteLog(data / "log", read_only=True) as log:
        records = [one for one in log.read(0, 10**6) if one.fields.get("request_id") == request_id]
    return sorted((one.fields for one in records), key=lambda fields: fields["position"])


def test_every_slot_is_logged_with_its_evidence(app, data):
    with running(app, data) as client:
        answer = recommend(client, "u1", context={"device": "tv"})
        answer_of_preview = recommend(client, "u1", preview=True)
    rows = logged(data, answer["request_id"])
    assert [row["video"] for row in rows] == [slot["item"] for slot in answer["items"]]
    assert logged(data, answer_of_preview["request_id"]) == []
    for row, slot in zip(rows, answer["items"], strict=True):
        assert (row["user"], row["surface"], row["release"]) == ("u1", "home", answer["release"])
        assert (row["score"], row["propensity"]) == (slot["score"], slot["propensity"])
        assert row["score_parts"] == [slot["score_parts"]["engaged"]]
        assert row["source"].split("+") == slot["sources"]
        assert row["device"] == "tv"
        assert "hour" not in row
        assert len(row["features"]) == len(app.declared_features)


def test_an_impression_comes_before_what_the_user_does_with_it(app, data):
    with running(app, data) as client:
        answer = recommend(client, "u1")
        (acted,) = send(client, watch("u1", answer["items"][0]["item"]))
    with SqliteLog(data / "log", read_only=True) as log:
        shown = [
            one.seq for one in log.read(0, 10**6) if one.fields.get("request_id") == answer["request_id"]
        ]
    assert len(shown) == 10
    assert max(shown) < acted["seq"]


def live(client, num_askers):
    """Ask for slates from several threads while another one sends events without pause."""
    random = np.random.default_rng(num_askers)
    done = threading.Event()

    def keep_sending():
        number = 0
        while not done.is_set():
            user, item = USERS[number % 40], ITEMS[number * 7 % 80]
            like = {"type": "like", "user": user, "video": item}
            send(client, watch(user, item, number % 60 + 0.3), like)
            row = {"video": item, "topic": f"t{number % 7}", "duration_s": number + 0.1}
            client.put("/v1/items", json=row)
            number += 1

    def ask(users):
        for number in users:
            recommend(client, f"u{number}", context={"hour": int(number)})

    plans = [random.choice(len(USERS) + 5, NUM_ASKED) for _ in range(num_askers)]
    askers = [threading.Thread(target=ask, args=(plan,)) for plan in plans]
    sender = threading.Thread(target=keep_sending)
    for thread in (sender, *askers):
        thread.start()
    for thread in askers:
        thread.join()
    done.set()
    sender.join()


@pytest.mark.parametrize(("num_askers", "num_lives"), [(1, 1), (3, 1), (2, 2)])
def test_features_as_served_are_the_features_computed_from_the_log(
    app, data, monkeypatch, num_askers, num_lives
):
    monkeypatch.setattr("shortlist.online.snapshots.AFTER_RECORDS", 1)
    for _ in range(num_lives):  # a later life begins with the snapshot of the one before
        with running(app, data) as client:
            live(client, num_askers)
    registry = Registry(data / "releases")
    encoding = load_contents(registry.open(registry.current()).folder, app)["home"].encoding
    with SqliteLog(data / "log", read_only=True) as log:
        history = History.read(app, log)
        served = log.scan("impression", ["features"]).columns()
    assert np.array_equal(served.seq, history.impressions.seqs)
    column = served.fields["features"]
    was_served = np.diff(column.offsets) > 0
    online = column.values.reshape(-1, encoding.num_columns)
    offline = history.features(history.impression_requests().take(was_served), encoding)
    assert len(online) == 10 * NUM_ASKED * num_askers * num_lives
    assert np.array_equal(bits(online), bits(offline))
    assert np.isnan(online).any()
    assert len(np.unique(online, axis=0)) > 50


def bits(values):
    """The bits of float32 values; which of the many NaNs a NaN is says nothing."""
    return np.where(np.isnan(values), np.float32(np.nan), values).view(np.uint32)


def test_evidence_that_the_log_cannot_take_is_counted_as_lost(app, data, monkeypatch, caplog):
    with running(app, data) as client:
        log = client.server.service.opened.log
        monkeypatch.setattr(log._writing._submissions, "_max_pending_events", 5)
        held, is_held = threading.Event(), threading.Event()

        def hold(_):
            is_held.set()
            assert held.wait(30)

        log.subscribe(hold)
        waiting = threading.Thread(target=send, args=(client, watch("u1", "v1")))
        waiting.start()
        assert is_held.wait(30)
        answers = [recommend(client, "u2") for _ in range(3)]
        held.set()
        waiting.join()
        send(client, watch("u1", "v2"))
        metrics = client.get("/metrics").text
    assert [len(answer["items"]) for answer in answers] == [10, 10, 10]
    assert caplog.text.count("impressions are lost") == 1
    # An idle queue takes a slate of any length; the two behind it found it full.
    assert 'shortlist_impressions_total{result="logged",surface="home"} 10.0' in metrics
    assert 'shortlist_impressions_total{result="lost",surface="home"} 20.0' in metrics
    assert [len(logged(data, answer["request_id"])) for answer in answers] == [10, 0, 0]
