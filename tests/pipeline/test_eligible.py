"""What conditions let pass is known before a search: the bitmaps, the sources that read them, the funnel."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist as sl
from pipeline.workshop import workshop
from shortlist.declare.expressions import Expression
from shortlist.features.online import OnlineState
from shortlist.log.record import Record
from shortlist.pipeline.eligible import MOST_KINDS, NEARLY_ALL, Eligible
from stages.town import (
    NOW_US,
    NUM_USERS,
    NUM_VIDEOS,
    TOPICS,
    Town,
    codes_of,
    fitted_for,
    fold,
    query,
    release_items,
)

DEVICES = ("tv", "phone", None)
FITTED = (sl.ImplicitALS, sl.TwoTower, sl.ItemToItem, sl.Ease, sl.Popular)


def tell(state: OnlineState, kind: str, **fields: object) -> None:
    """Append one record, as the server does."""
    at_us = state.last_log_time_us + 1
    fold(state, [Record(state.last_seq + 1, at_us, kind, at_us, None, fields)])


def upload(state: OnlineState, name: str, **known: object) -> None:
    unknown = dict.fromkeys(("creator", "topic", "duration_s", "explicit", "published"))
    tell(state, "video", video=name, **{**unknown, **known})


def conditions(town: Town) -> st.SearchStrategy[Expression]:
    """Anything that may be asked of a candidate."""
    video, user = town.video, town.user
    leaf = st.one_of(
        st.integers(5, 300).map(lambda most: video.duration_s < most),
        st.sampled_from([topic for topic in TOPICS if topic]).map(lambda topic: video.topic == topic),
        st.sampled_from([video.explicit, user.adult, video.topic != "no such", town.device == "tv"]),
        st.sampled_from([video.creator == user.country, user.country == "NL"]),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(lambda one: ~one),
            st.tuples(inner, inner).map(lambda both: both[0] & both[1]),
            st.tuples(inner, inner).map(lambda both: both[0] | both[1]),
        ),
        max_leaves=4,
    )


def ready(town: Town, *conditions: Expression) -> Eligible | None:
    surface = town.surface(*map(sl.Where, conditions))
    return Eligible.of(town.app, surface, codes_of(town.state()))


def asked(eligible: Eligible, state: OnlineState, user: str):
    """What is allowed for a user once the bitmap is there."""
    eligible.allowed(query(state, user))
    eligible.refresh(state)
    return eligible.allowed(query(state, user))


def passing(state: OnlineState, condition: Expression, user: str, codes: np.ndarray) -> np.ndarray:
    """Which items a condition keeps, asked in the way of the filter, on any device."""
    held = [
        state.evaluate(condition, state.users.vocabulary.code(user), codes, 0, {"device": device})
        for device in DEVICES
    ]
    return np.any(held, axis=0) & (codes >= 0)


class TestBitmaps:
    @settings(max_examples=50, deadline=None)
    @given(st.data())
    def test_they_are_what_the_filters_keep(self, data):
        town = Town()
        condition = data.draw(conditions(town))
        eligible, state = ready(town, condition), town.state()
        columns = {str(column).split(".")[0] for column in condition.columns()}
        # Of several conditions that must all hold, those that read no item or the request do not count.
        is_whole = "context" not in columns and getattr(condition, "operator", "") != "and"
        if eligible is None:
            assert not is_whole or "video" not in columns
            return
        user = data.draw(st.sampled_from(["u0", "u1", "u2", "never seen"]))
        codes = codes_of(state)
        kept = passing(state, condition, user, codes)
        allowed = asked(eligible, state, user)
        if allowed is None:
            assert not is_whole or kept.mean() > NEARLY_ALL - 0.01
            return
        found = allowed.has(np.arange(len(codes)))
        assert not (kept & ~found).any()
        assert not is_whole or np.array_equal(found, kept)

    def test_a_part_that_reads_the_request_is_left_to_the_filter(self):
        town = Town()
        rare = town.video.topic == "chess"
        eligible, state = ready(town, rare & (town.device == "tv")), town.state()
        allowed = asked(eligible, state, "u1")
        codes = codes_of(state)
        assert np.array_equal(allowed.has(np.arange(len(codes))), passing(state, rare, "u1", codes))
        assert ready(town, rare | (town.device == "tv")) is None
        assert ready(town, town.user.adult) is None
        assert ready(town) is None

    def test_nothing_passes_of_a_release_whose_items_were_never_seen(self):
        town = Town()
        surface, state = town.surface(sl.Where(town.video.topic == "chess")), OnlineState(town.app)
        eligible = Eligible.of(town.app, surface, np.full(5, -1))
        assert asked(eligible, state, "u1").below(5).num_items == 0

    def test_somebodys_own_filter_is_not_understood(self):
        class Lenient(sl.Where):
            def ready(self, app):
                return lambda query, items: np.ones(len(items), np.bool_)

        town = Town()
        surface = town.surface(Lenient(town.video.topic == "chess"))
        assert Eligible.of(town.app, surface, codes_of(town.state())) is None

    def test_users_in_whom_the_same_is_known_share_one(self):
        town = Town()
        is_chess, is_cats = town.video.topic == "chess", town.video.topic == "cats"
        eligible, state = ready(town, is_chess | (is_cats & town.user.adult)), town.state()
        assert asked(eligible, state, "u0") is not None
        assert eligible.allowed(query(state, "u3")) is eligible.allowed(query(state, "u0"))
        assert eligible.allowed(query(state, "u1")) is None  # a minor: nobody has asked yet
        assert asked(eligible, state, "u1").num_items < asked(eligible, state, "u0").num_items
        assert asked(eligible, state, "u2") is asked(eligible, state, "never seen")

    def test_a_user_becomes_of_another_kind_at_once(self):
        town = Town()
        eligible, state = ready(town, ~town.video.explicit | town.user.adult), town.state()
        minors = asked(eligible, state, "u1")
        assert asked(eligible, state, "u0") is None  # nearly everything
        tell(state, "user", user="u0", country="NL", adult=False)
        assert eligible.allowed(query(state, "u0")) is minors

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, NUM_VIDEOS + 40), st.sampled_from(TOPICS), st.booleans()), max_size=30
        )
    )
    def test_items_that_change_and_come_are_followed(self, uploads):
        town = Town()
        condition = (town.video.topic == "chess") | (town.video.topic == town.user.country)
        eligible, state = ready(town, condition), town.state()
        codes = codes_of(state)
        assert asked(eligible, state, "u1") is not None
        num_seen = len(state.items)
        for number, topic, is_refreshed in uploads:
            upload(state, f"v{number}", topic=topic)
            if not is_refreshed:
                continue
            eligible.refresh(state)
            num_seen = len(state.items)
            allowed = eligible.allowed(query(state, "u1"))
            assert np.array_equal(allowed.has(np.arange(len(codes))), passing(state, condition, "u1", codes))
            young = np.setdiff1d(np.arange(num_seen), codes)
            assert np.array_equal(allowed.has(len(codes) + young), passing(state, condition, "u1", young))
        # What came since is looked for, whatever it is.
        later = np.arange(num_seen, len(state.items))
        assert eligible.allowed(query(state, "u1")).has(len(codes) + later).all()

    def test_an_update_that_decides_nothing_makes_no_new_one(self):
        town = Town()
        eligible, state = ready(town, town.video.topic == "chess"), town.state()
        before = asked(eligible, state, "u1")
        upload(state, "v1", topic="chess")
        with_chess = asked(eligible, state, "u1")
        upload(state, "v1", topic="chess", duration_s=3.0)
        assert asked(eligible, state, "u1") is with_chess is not before

    def test_who_asked_last_is_remembered(self):
        town = Town()
        eligible, state = ready(town, town.video.creator == town.user.country), town.state()
        names = [f"somebody {number}" for number in range(MOST_KINDS + 5)]
        for number, name in enumerate(names):
            tell(state, "user", user=name, country=f"c{number}", adult=True)
        for name in (*names[:MOST_KINDS], names[0], *names[MOST_KINDS:]):
            eligible.allowed(query(state, name))
        for _ in names:
            eligible.refresh(state)
        kept, gone = [names[0], *names[6:]], names[1:6]
        assert all(eligible.allowed(query(state, name)) is not None for name in kept)
        assert all(eligible.allowed(query(state, name)) is None for name in gone)

    def test_a_state_that_is_held_is_not_waited_for(self):
        town = Town()
        eligible, state = ready(town, town.video.topic == "chess"), town.state()
        before = asked(eligible, state, "u1")
        upload(state, "v2", topic="chess")
        is_held, is_done = threading.Event(), threading.Event()

        def hold():
            with state.lock:
                is_held.set()
                is_done.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        is_held.wait(60)
        eligible.refresh(state)
        assert eligible.allowed(query(state, "u1")) is before
        is_done.set()
        holder.join()
        eligible.refresh(state)
        after = eligible.allowed(query(state, "u1"))
        assert after.has(np.array([release_items().index("v2")])).all()


class TestSources:
    @pytest.mark.parametrize("kind", [*FITTED, sl.Fresh])
    @pytest.mark.parametrize("most_s", [9, 35, 150])
    @pytest.mark.parametrize("user", ["u1", "u7", "never seen"])
    def test_they_find_the_best_of_what_passes(self, kind, most_s, user):
        town = Town()
        condition = town.video.duration_s < most_s
        settings = {sl.Popular: {}, sl.Fresh: {"within": "30d"}}.get(kind, {"history": 5})
        few, all_of_them = kind(n=5, **settings), kind(n=1000, **settings)
        surface = town.surface(few, all_of_them, sl.Where(condition))
        state = town.state()
        for number in range(8):  # younger than the release
            seconds, at_us = float(4 + 8 * number), NOW_US - number
            upload(state, f"new {number}", topic="cats", duration_s=seconds, published=at_us)
        codes = codes_of(state)
        fitted = fitted_for if kind in FITTED else lambda one: None
        propose, propose_all = (one.ready(town.app, fitted(one), codes) for one in (few, all_of_them))
        allowed = asked(Eligible.of(town.app, surface, codes), state, user)
        assert allowed is not None
        wanted = propose_all(query(state, user))
        is_kept = passing(state, condition, user, wanted.items)
        found = propose(replace(query(state, user), allowed=allowed))
        assert len(found.items) == min(5, is_kept.sum())
        assert passing(state, condition, user, found.items).all()
        np.testing.assert_allclose(found.scores, wanted.scores[is_kept][:5], rtol=1e-4)


class TestAFunnel:
    @pytest.fixture
    def shop(self):
        return workshop(
            lambda town: [
                sl.ItemToItem(n=12),
                sl.Where(town.video.topic == "chess"),
                sl.Where(~town.video.explicit | town.user.adult),
            ]
        )

    def counts(self, shop, user="u1"):
        """How many a source proposes, and how many of them are kept."""
        record = shop.funnel.inspect(shop.query(user))
        kept = len(record.candidates) - sum(len(items) for _, items in record.removed)
        return len(record.proposals[0]), kept

    def test_from_the_second_look_on_nothing_is_dropped(self, shop):
        num_proposed, num_kept = self.counts(shop)
        assert num_proposed == 12
        assert num_kept < 6
        shop.funnel.refresh()
        num_allowed, num_kept_now = self.counts(shop)
        assert num_allowed == num_kept_now > num_kept
        assert self.counts(shop, f"u{NUM_USERS - 4}")[0] == 12  # of another kind

    def test_who_asked_one_funnel_is_expected_by_the_next(self, shop):
        users = ("u1", "u0", "never seen")
        for user in users:
            self.counts(shop, user)
        for _ in users:
            shop.funnel.refresh()
        known = {user: self.counts(shop, user) for user in users}
        after = replace(shop, funnel=shop.another())
        assert {user: self.counts(after, user) for user in users} != known
        after.funnel.succeed(shop.funnel)
        assert {user: self.counts(after, user) for user in users} == known

    def test_the_filters_hold_for_what_changed_since(self, shop):
        self.counts(shop)
        shop.funnel.refresh()
        answer = shop.funnel.recommend(shop.query())
        (first, *_) = shop.names(answer.items)
        upload(shop.state, first, topic="chess", explicit=True)
        assert first not in shop.names(shop.funnel.recommend(shop.query()).items)
        num_proposed, num_kept = self.counts(shop)
        assert num_kept == num_proposed - 1
        shop.funnel.refresh()
        num_proposed, num_kept = self.counts(shop)
        assert num_kept == num_proposed

    def test_a_stage_that_reads_no_attribute_of_items_changes_nothing(self):
        shop = workshop(lambda town: [sl.ItemToItem(n=12), sl.NotSeen(n=20)])
        before = shop.funnel.inspect(shop.query()).proposals[0]
        shop.funnel.refresh()
        assert np.array_equal(shop.funnel.inspect(shop.query()).proposals[0], before)
