"""What every event log promises, however many processes stand behind it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from log.kinds import batch_rows, record_rows, rows
from shortlist.log import (
    Appended,
    Batch,
    Block,
    Event,
    EventLog,
    EventRejected,
    LogBusy,
    LogClosed,
    UnknownKind,
)

MAX_PENDING_EVENTS = 4


def like(user: str, id_: str | None = None) -> Event:
    return Event("like", {"user": user}, id=id_)


class EventLogConformance:
    """Inherit it, and give the fixture `log`: open, empty, of the kinds in `log.kinds`.

    At most `MAX_PENDING_EVENTS` of its events may wait.
    """

    @pytest.fixture
    def log(self) -> Iterator[EventLog]:
        raise NotImplementedError

    def test_positions_follow_each_other_and_the_receipts_say_them(self, log: EventLog) -> None:
        assert log.last_seq == 0
        assert log.append([like("a"), like("b")]) == [Appended(1, False), Appended(2, False)]
        assert log.append([like("c")]) == [Appended(3, False)]
        records = log.read()
        assert [(record.seq, record.fields["user"]) for record in records] == [(1, "a"), (2, "b"), (3, "c")]
        assert log.last_seq == 3
        assert log.last_log_time_us == records[-1].log_time_us
        assert batch_rows(list(log.batches(after_seq=1))) == record_rows(records[1:])
        assert rows(log.scan("like").columns()) == record_rows(records)

    def test_an_event_it_has_seen_has_no_second_effect(self, log: EventLog) -> None:
        assert log.append([like("a", "one"), like("b", "two")])[1] == Appended(2, False)
        assert log.append([like("x", "two"), like("c"), like("x", "one")]) == [
            Appended(2, True),
            Appended(3, False),
            Appended(1, True),
        ]
        assert [record.fields["user"] for record in log.read()] == ["a", "b", "c"]

    def test_a_subscriber_knows_before_the_producer(self, log: EventLog) -> None:
        log.append([like("before")])
        known: list[Batch] = []
        log.subscribe(known.append)
        for number in range(5):
            log.append([like(f"u{number}"), Event("watch", {"user": "w", "features": [1.5, math.nan]})])
            assert known[-1].last_seq == 3 + 2 * number == log.last_seq
        assert batch_rows(known) == record_rows(log.read(after_seq=1))

    def test_a_failing_subscriber_does_not_undo_the_append(
        self, log: EventLog, caplog: pytest.LogCaptureFixture
    ) -> None:
        known: list[Batch] = []
        log.subscribe(lambda batch: 1 / 0)  # type: ignore[arg-type, return-value]
        log.subscribe(known.append)
        assert log.append([like("u")]) == [Appended(1, duplicate=False)]
        assert len(known) == 1
        assert "a subscriber failed" in caplog.text

    def test_a_block_is_its_events(self, log: EventLog) -> None:
        known: list[Batch] = []
        log.subscribe(known.append)
        fields = {"user": "u", "position": np.arange(3), "features": np.ones((3, 2), np.float32)}
        assert log.submit_block(Block("watch", 3, fields)).result() == [Appended(3, False)]
        records = log.read()
        assert [record.fields["position"] for record in records] == [0, 1, 2]
        assert batch_rows(known) == record_rows(records)

    def test_a_block_that_does_not_fit_fails_alone(self, log: EventLog) -> None:
        bad = log.submit_block(Block("watch", 2, {"user": ["u"]}))
        good = log.submit([like("a")])
        with pytest.raises(EventRejected, match="2 values"):
            bad.result()
        assert good.result() == [Appended(1, False)]

    def test_a_block_of_no_events_fails_alone(self, log: EventLog) -> None:
        bad = log.submit_block(Block("like", 0, {"user": "u"}))
        good = log.submit([like("a")])
        with pytest.raises(EventRejected, match="one event or more"):
            bad.result(30)
        assert good.result(30) == [Appended(1, False)]

    def test_nothing_is_kept_at_once(self, log: EventLog) -> None:
        assert log.submit([]).result(30) == []
        assert log.append([like("a")]) == [Appended(1, False)]

    def test_what_does_not_fit_is_refused_at_once(self, log: EventLog) -> None:
        with pytest.raises(UnknownKind):
            log.submit([Event("purchase", {})])
        with pytest.raises(UnknownKind):
            log.submit_block(Block("purchase", 1, {}))
        with pytest.raises(EventRejected):
            log.submit([like("a"), Event("like", {"user": 3})])
        assert log.last_seq == 0

    def test_beyond_its_bound_it_refuses_and_keeps_what_it_took(self, log: EventLog) -> None:
        held, entered = threading.Event(), threading.Event()

        def hold(_: Batch) -> None:
            entered.set()
            held.wait(10)

        log.subscribe(hold)
        futures = [log.submit([like("first")])]
        assert entered.wait(10)
        refused: list[LogBusy] = []
        while not refused and len(futures) < 100:
            try:
                futures.append(log.submit([like("more")]))
            except LogBusy as busy:
                refused.append(busy)
        held.set()
        assert "events wait" in str(refused[0])
        assert len(futures) <= 1 + MAX_PENDING_EVENTS
        for future in futures:
            future.result()
        assert log.last_seq == len(futures)

    def test_after_the_end_it_takes_nothing(self, log: EventLog) -> None:
        futures = [log.submit([like(f"u{number}")]) for number in range(3)]
        log.close()
        assert [future.result()[0].seq for future in futures] == [1, 2, 3]
        with pytest.raises(LogClosed):
            log.submit([like("late")])
