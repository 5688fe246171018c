"""The middle of the ladder: what people of the same segment like, before what everybody does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import shortlist as sl
from pipeline import misbehaving as bad
from pipeline.test_trouble import BUDGET_MS, SLACK_S, STOOD_IN, ask
from pipeline.workshop import workshop
from shortlist.log.record import Record
from shortlist.pipeline.passage import FALLBACK
from stages.town import NOW_US, fold, past

EVERYBODYS = "no candidates: the most popular instead"
GERMANYS = "no candidates: the most popular in country=DE instead"
GERMANYS_STOOD_IN = "no candidates: the most popular in country=DE that anybody may see instead"
LISTS = {
    "NL": [f"v{number}" for number in range(60, 90)],
    "DE": ["v77", "v3", "ghost", "v41", *(f"v{number}" for number in range(90, 120))],
}
NEWCOMERS = {"Dora": "DE", "Nel": "NL", "Fay": "FR", "Una": None}


def user_record(seq, name, *, country=None, adult=None):
    fields = {"user": name, "country": country, "adult": adult}
    return Record(seq, NOW_US + seq, "user", NOW_US + seq, None, fields)


def with_newcomers():
    """The usual past, and users who have done nothing yet."""
    records = past()
    return [
        *records,
        *(
            user_record(len(records) + place, name, country=country)
            for place, (name, country) in enumerate(NEWCOMERS.items(), start=1)
        ),
    ]


def shop_of(stages, **settings):
    """A funnel that knows what is popular in two countries."""
    given = {"records": with_newcomers(), "segment": "country", "lists": LISTS, **settings}
    return workshop(stages, **given)


@pytest.fixture
def gate():
    gate = bad.Gate()
    yield gate
    gate.is_open.set()


@pytest.fixture(scope="module")
def quiet():
    """Whoever has done nothing is proposed nothing."""
    return shop_of(lambda town: [sl.ItemToItem()])


class TestNothingProposed:
    def test_a_new_user_is_shown_what_the_segment_likes(self, quiet):
        answer = ask(quiet, user="Dora")
        expected = [name for name in LISTS["DE"] if name != "ghost"]  # which the state has never seen
        assert quiet.names(answer.items) == expected[:10]
        assert answer.degraded == (GERMANYS,)
        assert set(answer.sources) == {(FALLBACK,)}
        assert quiet.names(ask(quiet, user="Nel").items) == LISTS["NL"][:10]

    @pytest.mark.parametrize("user", ["never seen", "Una", "Fay"])
    def test_without_a_segment_or_a_list_of_it_it_is_what_everybody_likes(self, quiet, user):
        plain = workshop(lambda town: [sl.ItemToItem()], records=with_newcomers())
        answer = ask(quiet, user=user)
        assert answer.degraded == (EVERYBODYS,)
        assert answer.items.tolist() == ask(plain, user=user).items.tolist()
        assert len(answer) == 10

    def test_somebody_known_is_still_answered_personally(self, quiet):
        assert ask(quiet, user="u1").degraded == ()

    def test_a_change_of_the_attribute_counts_at_once(self):
        shop = shop_of(lambda town: [sl.ItemToItem()])
        seq = shop.state.last_seq + 1
        fold(shop.state, [user_record(seq, "Una", country="DE"), user_record(seq + 1, "Eve", country="NL")])
        assert ask(shop, user="Una").degraded == (GERMANYS,)
        assert shop.names(ask(shop, user="Eve").items) == LISTS["NL"][:10]

    def test_a_segment_may_be_yes_or_no(self):
        shop = workshop(
            lambda town: [bad.FixedSource(())], segment="adult", lists={"true": ["v9"], "false": ["v8", "v7"]}
        )
        answers = {user: ask(shop, user=user) for user in ("u0", "u1", "u2")}  # adult, not, not known
        assert answers["u0"].degraded == ("no candidates: the most popular in adult=true instead",)
        assert shop.names(answers["u0"].items) == ["v9"]
        assert shop.names(answers["u1"].items) == ["v8", "v7"]
        assert answers["u2"].degraded == (EVERYBODYS,)

    def test_the_filters_hold_for_the_segments_list(self):
        shop = shop_of(lambda town: [sl.ItemToItem(), sl.Where(~town.video.explicit | town.user.adult)])
        answer = ask(shop, user="Dora", k=30)
        assert answer.degraded == (GERMANYS,)
        explicit = shop.state.items.stored("explicit", shop.state.items.vocabulary.codes(LISTS["DE"]))
        assert shop.names(answer.items) == [
            name for name, one in zip(LISTS["DE"], explicit, strict=True) if one == 0 and name != "ghost"
        ]

    def test_a_segments_list_of_which_nothing_may_be_seen_leaves_everybodys(self):
        explicit = [str(record.fields["video"]) for record in past() if record.fields.get("explicit")]
        shop = shop_of(
            lambda town: [sl.ItemToItem(), sl.Where(~town.video.explicit | town.user.adult)],
            lists={"DE": explicit},
        )
        answer = ask(shop, user="Dora")
        assert answer.degraded == (EVERYBODYS,)
        assert len(answer) == 10
        assert not set(shop.names(answer.items)) & set(explicit)

    def test_a_release_without_lists_of_segments_has_everybodys(self):
        shop = shop_of(lambda town: [sl.ItemToItem()], lists=None)
        assert ask(shop, user="Dora").degraded == (EVERYBODYS,)


class TestNothingElseToShow:
    def test_a_filter_that_hangs_leaves_what_anybody_may_see_of_the_segments_list(self, gate):
        gate.is_open.set()
        shop = shop_of(
            lambda town: [
                bad.FixedSource((1, 2)), sl.Where(~town.video.explicit | town.user.adult),
                bad.HangingFilter(gate),
            ],
            p99_ms=BUDGET_MS,
        )  # fmt: skip
        seq = shop.state.last_seq + 1
        grown_up = user_record(seq, "Max", country="DE", adult=True)
        fold(shop.state, [grown_up])
        gate.is_open.clear()
        answers = {user: ask(shop, user=user, k=40) for user in ("Dora", "Max", "Una", "never seen")}
        assert answers["Dora"].degraded[0].startswith("filter HangingFilter: late after ")
        assert {user: answer.degraded[-1] for user, answer in answers.items()} == {
            "Dora": GERMANYS_STOOD_IN, "Max": GERMANYS_STOOD_IN, "Una": STOOD_IN, "never seen": STOOD_IN,
        }  # fmt: skip
        germanys = set(LISTS["DE"])
        for user, answer in answers.items():
            assert len(answer) > 5
            assert set(answer.sources) == {(FALLBACK,)}
            assert (shop.state.items.stored("explicit", answer.items) == 0).all()
            assert (set(shop.names(answer.items)) <= germanys) == (user in ("Dora", "Max"))
        assert answers["Max"].items.tolist() == answers["Dora"].items.tolist()

    def test_the_state_being_locked_leaves_the_segments_list(self):
        shop = shop_of(lambda town: [bad.FixedSource((1, 2)), sl.NotSeen()], p99_ms=BUDGET_MS)
        asked = shop.query("Dora")
        with ThreadPoolExecutor(1) as other, shop.state.lock:
            answer = other.submit(shop.funnel.recommend, asked).result(SLACK_S)
        assert answer.degraded[-1] == GERMANYS_STOOD_IN
        assert shop.names(answer.items) == [name for name in LISTS["DE"] if name != "ghost"][:10]

    def test_a_filter_that_fails_for_the_segments_list_leaves_everybodys(self):
        shop = shop_of(lambda town: [sl.ItemToItem(), bad.ThrowingFilter(spares=50)])
        answer = ask(shop, user="Dora")
        assert answer.degraded == ("filter ThrowingFilter: failed: Broken: no rules loaded", STOOD_IN)
        assert len(answer) == 10

    def test_a_segments_list_of_which_nothing_may_be_seen_leaves_everybodys(self, gate):
        gate.is_open.set()
        explicit = [str(record.fields["video"]) for record in past() if record.fields.get("explicit")]
        shop = shop_of(
            lambda town: [bad.FixedSource((1, 2)), sl.Where(~town.video.explicit), bad.HangingFilter(gate)],
            lists={"DE": explicit}, p99_ms=BUDGET_MS,
        )  # fmt: skip
        gate.is_open.clear()
        assert ask(shop, user="Dora").degraded[-1] == STOOD_IN


def test_asking_whose_list_it_is_while_users_come_is_safe():
    shop = shop_of(lambda town: [sl.ItemToItem()], records=past())
    fallback = shop.funnel._phases.standby.fallback
    state, num_users, come = shop.state, 3000, threading.Event()
    first, asked = len(state.users), shop.query()

    def ask_all_the_time():
        seen = set()
        while True:
            is_last = come.is_set()
            for user in range(first, first + num_users, 7):
                rungs = fallback.rungs(replace(asked, user=user))
                seen.add(tuple(rungs))
            if is_last:
                return seen

    with ThreadPoolExecutor(1) as other:
        asking = other.submit(ask_all_the_time)
        for number in range(0, num_users, 50):
            seq = state.last_seq + 1
            fold(state, [user_record(seq + one, f"n{number + one}", country="DE") for one in range(50)])
        come.set()
        seen = asking.result(60)
    germanys = 1 + list(LISTS).index("DE")
    assert seen == {(0,), (germanys, 0)}  # not there yet, or known for what it is
