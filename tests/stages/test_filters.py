"""The filters: each by the suite, then what is its own."""

from __future__ import annotations

import numpy as np
import pytest

import shortlist as sl
from shortlist.stages.filters.not_seen import NotSeen
from shortlist.stages.filters.where import Where
from stages.conformance import FilterConformance
from stages.town import NUM_USERS, NUM_VIDEOS, Town, past, query


class TestNotSeen(FilterConformance):
    def stage(self, town):
        return NotSeen()

    def test_it_is_what_the_past_holds(self):
        _, state, keep = self.built()
        for number in range(NUM_USERS):
            seen = {
                record.fields["video"]
                for record in past()
                if record.kind == "watch" and record.fields["user"] == f"u{number}"
            }
            kept = keep(query(state, f"u{number}"), np.arange(NUM_VIDEOS))
            assert {f"v{code}" for code in np.flatnonzero(~kept)} == seen

    def test_who_was_never_seen_has_seen_nothing(self):
        _, state, keep = self.built()
        assert keep(query(state, "never seen"), np.arange(NUM_VIDEOS)).all()

    def test_it_remembers_so_many_and_so_far_back(self):
        town = Town()
        few, recent = NotSeen(n=3), NotSeen(within="60s")
        town.surface(few, recent)
        state = town.state()
        watches = [record for record in past() if record.kind == "watch" and record.fields["user"] == "u1"]
        asked = query(state)
        dropped = ~few.ready(town.app)(asked, np.arange(NUM_VIDEOS))
        assert {f"v{code}" for code in np.flatnonzero(dropped)} == {
            record.fields["video"] for record in watches[-3:]
        }
        dropped = ~recent.ready(town.app)(asked, np.arange(NUM_VIDEOS))
        assert {f"v{code}" for code in np.flatnonzero(dropped)} == {
            record.fields["video"] for record in watches if record.log_time_us >= asked.time_us - 60_000_000
        }


class TestNotLiked(FilterConformance):
    def stage(self, town):
        return NotSeen(of=town.like)

    def test_only_that_event_counts(self):
        stage, state, keep = self.built()
        liked = {
            record.fields["video"]
            for record in past()
            if record.kind == "like" and record.fields["user"] == "u1"
        }
        kept = keep(query(state), np.arange(NUM_VIDEOS))
        assert {f"v{code}" for code in np.flatnonzero(~kept)} == liked
        assert repr(stage) == "NotSeen(within='30d', n=500, of=Event('like'))"


class TestWhere(FilterConformance):
    def stage(self, town):
        return Where(~town.video.explicit | town.user.adult)

    @pytest.mark.parametrize(
        ("user", "adult"), [("u0", True), ("u1", False), ("u2", None), ("never seen", None)]
    )
    def test_what_is_unknown_is_not_kept_unless_it_cannot_matter(self, user, adult):
        _, state, keep = self.built()
        kept = keep(query(state, user), np.arange(NUM_VIDEOS))
        explicit = [record.fields["explicit"] for record in past() if record.kind == "video"]
        assert kept.tolist() == [adult is True or one is False for one in explicit]
        assert None in explicit


class TestWhereOfTheRequest(FilterConformance):
    def stage(self, town):
        return Where((town.device == "tv") & (town.video.duration_s > 60.0))

    def test_without_the_context_nothing_holds(self):
        _, state, keep = self.built()
        assert not keep(query(state), np.arange(NUM_VIDEOS)).any()
        assert keep(query(state, device="tv"), np.arange(NUM_VIDEOS)).any()


class TestMistakes:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda town: NotSeen(within="ever"), r"NotSeen, within: expected a duration"),
            (lambda town: NotSeen(n=0), r"NotSeen, n: expected a whole number"),
            (lambda town: NotSeen(of="watch"), r"NotSeen, of: expected an event, received 'watch'"),
            (
                lambda town: Where(town.video.duration_s),
                r"Where: expected a condition, received video\.duration_s",
            ),
            (lambda town: Where("adult"), r"Where: expected a condition"),
            (
                lambda town: Where(town.watch.watch_s > 3),
                r"known before the request, received watch\.watch_s",
            ),
        ],
    )
    def test_are_named_where_they_are_made(self, make, says):
        with pytest.raises(sl.DeclarationError, match=says):
            make(Town())

    def test_an_event_without_the_item_says_nothing_about_it(self):
        town = Town()
        login = town.app.event("login", town.user)
        with pytest.raises(sl.DeclarationError, match="an event of this app between user and video"):
            NotSeen(of=login).reads(town.app)
        with pytest.raises(sl.DeclarationError, match="an event of this app"):
            NotSeen(of=Town().watch).reads(town.app)

    def test_a_rule_about_somebody_else(self):
        town = Town()
        shop = town.app.entity("shop", is_open=bool)
        with pytest.raises(
            sl.DeclarationError, match=r"attributes of user and video, received shop\.is_open"
        ):
            Where(shop.is_open).reads(town.app)
