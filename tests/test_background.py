"""Work that may wait gives way to requests, goes on after them, and is never kept for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist import background
from shortlist.background import give_way, in_background, pieces, request_began, request_ended


@contextmanager
def a_request() -> Iterator[None]:
    request_began()
    try:
        yield
    finally:
        request_ended()


def waited_s() -> float:
    """Give way after a piece of work; return how long that took."""
    time.sleep(0.001)
    started_s = time.monotonic()
    give_way()
    return time.monotonic() - started_s


@given(st.integers(0, 50), st.integers(1, 20))
def test_pieces_cover_all_rows_once_and_in_order(num: int, at_once: int) -> None:
    some = list(pieces(num, at_once))
    assert [row for piece in some for row in range(num)[piece]] == list(range(num))
    assert all(0 < piece.stop - piece.start <= at_once for piece in some)


def test_only_what_is_marked_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LONGEST_WAIT_S", 1.0)
    waits: list[float] = []
    with a_request(), in_background():
        with in_background():
            waits.append(waited_s())
        waits.append(waited_s())
        other = threading.Thread(target=lambda: waits.append(waited_s()))
        other.start()
        other.join()
    with a_request():
        waits.append(waited_s())
    nested, marked, of_another_thread, after = waits
    assert min(nested, marked) >= 1.0
    assert max(of_another_thread, after) < 1.0


def test_it_goes_on_when_the_last_request_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LONGEST_WAIT_S", 60.0)
    goes_on = threading.Event()

    def work() -> None:
        with in_background():
            waited_s()
        goes_on.set()

    with a_request():
        with a_request():
            worker = threading.Thread(target=work, daemon=True)
            worker.start()
        assert not goes_on.wait(0.05)
    assert goes_on.wait(10)
    worker.join()


def test_less_than_a_piece_of_work_gives_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_PIECE_S", 60.0)
    monkeypatch.setattr(background, "LONGEST_WAIT_S", 60.0)
    monkeypatch.setattr(background._here, "since_s", time.monotonic())
    with a_request(), in_background():
        assert waited_s() < 30
