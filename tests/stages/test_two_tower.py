"""The two towers as a source: by the suite, then new items, strangers, and many requests at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import shortlist as sl
from shortlist.features.attributes import attribute_rows
from shortlist.features.online import OnlineState
from shortlist.index.exact import ExactIndex
from shortlist.log.record import Record
from shortlist.models.retrieval import UserBatch
from shortlist.stages.newcomers import Newcomers
from shortlist.stages.sources.two_tower import TwoTower
from stages.conformance import SourceConformance
from stages.town import NUM_USERS, NUM_VIDEOS, Town, codes_of, fitted_for, fold, query, release_items


def tell(state: OnlineState, kind: str, **fields: object) -> None:
    """Append one record, as the server does."""
    time_us = state.last_log_time_us + 1
    record = Record(
        seq=state.last_seq + 1, id=None, kind=kind, log_time_us=time_us, event_time_us=time_us, fields=fields
    )  # fmt: skip
    fold(state, [record])


def upload(
    state: OnlineState, name: str, topic: str | None = "cats", duration_s: float | None = 60.0
) -> None:
    tell(
        state,
        "video",
        video=name,
        creator=None,
        topic=topic,
        duration_s=duration_s,
        explicit=None,
        published=None,
    )


def everything() -> TwoTower:
    return TwoTower(n=1000, history=5)


class TestTwoTower(SourceConformance):
    def stage(self, town):
        return TwoTower(n=20, history=5)

    def test_it_is_the_models_order_without_the_history(self):
        stage, state, propose = self.built()
        fitted, asked = fitted_for(stage), query(state, "u7")
        (history,) = stage.reads(state.app)
        codes = state.history(history, asked.user, asked.time_us)
        numbers = [release_items().index(name) for name in state.items.vocabulary.texts(codes)]
        known = attribute_rows(state.users, np.array([asked.user]), fitted.users.encoding)
        found, scores = fitted.retrieve(UserBatch(np.array([numbers], np.int32), known), 26)
        expected = {
            release_items()[number]: score
            for number, score in zip(found[0].tolist(), scores[0], strict=True)
            if number not in numbers and release_items()[number] != "ghost"
        }
        proposed = propose(asked)
        assert state.items.vocabulary.texts(proposed.items) == list(expected)[:20]
        np.testing.assert_allclose(proposed.scores, list(expected.values())[:20], rtol=1e-5)

    def test_a_watch_is_in_the_next_answer(self):
        _, state, propose = self.built()
        before = propose(query(state, "u3"))
        tell(state, "watch", user="u3", video="v100", watch_s=3.0)
        assert not np.array_equal(propose(query(state, "u3")).scores, before.scores)

    def test_a_watch_again_moves_an_item_and_adds_none(self):
        _, state, propose = self.built()
        for user, videos in (("once", ("v5", "v80", "v40")), ("again", ("v5", "v80", "v5", "v80", "v40"))):
            for video in videos:
                tell(state, "watch", user=user, video=video, watch_s=3.0)
        once, again = (propose(query(state, user)) for user in ("once", "again"))
        assert len(once.items) >= 19
        assert np.array_equal(again.items, once.items)
        np.testing.assert_allclose(again.scores, once.scores, rtol=1e-6)

    def test_who_did_nothing_is_asked_for_by_attributes(self):
        _, state, propose = self.built()
        assert len(propose(query(state, f"u{NUM_USERS - 1}")).items) >= 19  # all but the ghost

    def test_of_whom_nothing_is_known_gets_nothing(self):
        _, state, propose = self.built()
        tell(state, "user", user="blank", country=None, adult=None)
        assert len(propose(query(state, "blank")).items) == 0
        assert len(propose(query(state, "never seen")).items) == 0


@pytest.fixture
def served():
    town = Town()
    stage = everything()
    town.surface(stage)
    state = town.state()
    return state, fitted_for(stage), stage.ready(town.app, fitted_for(stage), codes_of(state))


def proposed(state, propose, user="u1"):
    answer = propose(query(state, user))
    return dict(zip(state.items.vocabulary.texts(answer.items), answer.scores.tolist(), strict=True))


def test_a_new_item_is_proposed_without_a_new_release(served):
    state, fitted, propose = served
    assert len(proposed(state, propose)) >= NUM_VIDEOS - 5
    upload(state, "new")
    row = attribute_rows(state.items, state.items.vocabulary.codes(["new"]), fitted.items.encoding)
    user_D = vector_of_u1(state, fitted)
    assert proposed(state, propose)["new"] == pytest.approx(
        float((fitted.item_vectors(row) @ user_D)[0]), rel=1e-4
    )


def vector_of_u1(state, fitted):
    asked = query(state)
    (history,) = everything().reads(state.app)
    names = state.items.vocabulary.texts(state.history(history, asked.user, asked.time_us))
    numbers = np.array([[release_items().index(name) for name in names]], np.int32)
    known = attribute_rows(state.users, np.array([asked.user]), fitted.users.encoding)
    return fitted.user_vectors(UserBatch(numbers, known))[0]


def test_a_new_item_is_placed_by_what_was_said_last(served):
    state, _, propose = served
    upload(state, "new", topic="cats")
    upload(state, "other", topic="chess")
    first = proposed(state, propose)
    upload(state, "new", topic="chess")
    then = proposed(state, propose)
    assert first["new"] != first["other"]
    assert then["new"] == then["other"] == first["other"]


def test_a_new_item_of_which_nothing_is_known_is_not_proposed_until_it_is(served):
    state, _, propose = served
    tell(state, "watch", user="u9", video="seen only", watch_s=3.0)
    upload(state, "blank", topic=None, duration_s=None)
    assert not {"seen only", "blank"} & set(proposed(state, propose))
    upload(state, "seen only")
    assert "seen only" in proposed(state, propose)


def test_a_new_item_that_the_user_had_is_not_proposed(served):
    state, _, propose = served
    upload(state, "new")
    tell(state, "watch", user="u1", video="new", watch_s=3.0)
    assert "new" not in proposed(state, propose, "u1")
    assert "new" in proposed(state, propose, "u2")


def test_each_new_item_is_placed_once(served):
    state, fitted, _ = served
    placed: list[int] = []

    def place(rows):
        placed.append(len(rows))
        return fitted.item_vectors(rows)

    newcomers = Newcomers(place, fitted.items.encoding, codes_of(state), ExactIndex(fitted.index.vectors[:0]))
    user = vector_of_u1(state, fitted)
    for wave in range(3):
        for number in range(wave + 1):
            upload(state, f"new {wave}.{number}")
        for _ in range(2):
            newcomers.nearest(state, user, 10)
    assert [count for count in placed if count] == [1, 2, 3]
    upload(state, "new 1.0", topic="news")
    assert len(newcomers.nearest(state, user, 10).items) == 6
    assert placed[-1] == 1


def test_many_ask_while_items_are_added(served):
    state, fitted, propose = served
    faults: list[str] = []
    is_over = threading.Event()

    def ask(user: str) -> None:
        while not is_over.is_set():
            answer = propose(query(state, user))
            if len(set(answer.items.tolist())) != len(answer.items) or not np.isfinite(answer.scores).all():
                faults.append(f"{user}: {answer}")

    threads = [threading.Thread(target=ask, args=(f"u{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(150):
        upload(state, f"new {number}", topic=("cats", "news", "chess")[number % 3])
    is_over.set()
    for thread in threads:
        thread.join()
    assert not faults
    names = {f"new {number}" for number in range(150)}
    assert names <= set(proposed(state, propose))
    fresh = TwoTower(n=1000, history=5).ready(state.app, fitted, codes_of(state))
    assert proposed(state, fresh) == pytest.approx(proposed(state, propose), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda town: TwoTower(n=0), r"TwoTower, n: expected a whole number from 1 to 10000, received 0"),
        (lambda town: TwoTower(history=0), r"TwoTower, history: expected a whole number"),
        (lambda town: TwoTower(of=town.user), r"TwoTower, of: expected an event"),
    ],
)
def test_mistakes_are_named_where_they_are_made(make, says):
    with pytest.raises(sl.DeclarationError, match=says):
        make(Town())
