"""The sources: each by the suite, then what is its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import shortlist as sl
from shortlist.log.record import Record
from shortlist.stages.sources.fresh import Fresh
from shortlist.stages.sources.item_to_item import ItemToItem
from shortlist.stages.sources.popular import Popular
from stages.conformance import SourceConformance
from stages.town import HOUR_US, NOW_US, NUM_USERS, Town, fitted_for, fold, past, query, release_items


class TestPopular(SourceConformance):
    def stage(self, town):
        return Popular(n=20, half_life="1h")

    def test_it_is_the_models_order_without_what_the_state_never_saw(self):
        stage, state, propose = self.built()
        numbers, scores = fitted_for(stage).top(21)
        names = [release_items()[number] for number in numbers]
        assert "ghost" in names
        proposed = propose(query(state))
        assert state.items.vocabulary.texts(proposed.items) == [name for name in names if name != "ghost"]
        kept = [score for name, score in zip(names, scores, strict=True) if name != "ghost"]
        assert proposed.scores.tolist() == kept

    def test_its_list_cannot_be_changed_by_who_gets_it(self):
        _, state, propose = self.built()
        with pytest.raises(ValueError, match="read-only"):
            propose(query(state)).items[0] = 5


class TestItemToItem(SourceConformance):
    def stage(self, town):
        return ItemToItem(n=20, history=5)

    def neighbours(self, history):
        """The worth of every neighbour of a history, newest first, added up by hand."""
        release, fitted = release_items(), fitted_for(self.built()[0])
        worth = Counter()
        for place, video in enumerate(history):
            known = release.index(video) if video in release else None
            near = [] if known is None else zip(*fitted.similar(known, 1000), strict=True)
            for number, score in near:
                worth[release[number]] += float(score) * 2 ** (-place / fitted.gap_half_life)
        return {video: score for video, score in worth.items() if video not in (*history, "ghost")}

    def last(self, user, n=5):
        watches = [record.fields for record in past() if record.kind == "watch"]
        videos = [watch["video"] for watch in watches if watch["user"] == user][: -n - 1 : -1]
        return list(dict.fromkeys(videos))

    def check(self, state, proposed, history):
        expected = self.neighbours(history)
        names = state.items.vocabulary.texts(proposed.items)
        assert proposed.scores == pytest.approx([expected[name] for name in names], rel=1e-5)
        assert proposed.scores == pytest.approx(sorted(expected.values(), reverse=True)[:20], rel=1e-5)

    @pytest.mark.parametrize("user", ["u1", "u7", "u20"])
    def test_it_is_the_neighbours_of_the_last_items(self, user):
        _, state, propose = self.built()
        self.check(state, propose(query(state, user)), self.last(user))

    def test_a_watch_is_in_the_next_answer(self):
        _, state, propose = self.built()
        before = propose(query(state, "u3")).items
        watch = Record(
            seq=state.last_seq + 1, id=None, kind="watch", log_time_us=state.last_log_time_us + 1,
            event_time_us=NOW_US, fields={"user": "u3", "video": "v100", "watch_s": 3.0},
        )  # fmt: skip
        fold(state, [watch])
        assert not np.array_equal(propose(query(state, "u3")).items, before)

    def test_an_item_watched_again_counts_once_where_it_was_last(self):
        _, state, propose = self.built()
        earlier = self.last("u3")
        for video in (earlier[1], "v100", earlier[1]):
            watch = Record(
                seq=state.last_seq + 1, id=None, kind="watch", log_time_us=state.last_log_time_us + 1,
                event_time_us=NOW_US, fields={"user": "u3", "video": video, "watch_s": 3.0},
            )  # fmt: skip
            fold(state, [watch])
        self.check(state, propose(query(state, "u3")), [earlier[1], "v100", earlier[0]])

    def test_an_item_younger_than_the_release_is_passed_over(self):
        _, state, propose = self.built()
        watch = Record(
            seq=state.last_seq + 1, id=None, kind="watch", log_time_us=state.last_log_time_us + 1,
            event_time_us=NOW_US, fields={"user": "u4", "video": "uploaded since", "watch_s": 3.0},
        )  # fmt: skip
        fold(state, [watch])
        self.check(state, propose(query(state, "u4")), ["uploaded since", *self.last("u4", 4)])

    def test_who_did_nothing_gets_nothing(self):
        _, state, propose = self.built()
        assert len(propose(query(state, f"u{NUM_USERS - 1}")).items) == 0
        assert len(propose(query(state, "never seen")).items) == 0


class TestFresh(SourceConformance):
    def stage(self, town):
        return Fresh(within="1d", n=15)

    def published(self, state, asked):
        moments = [dict(record.fields) for record in past() if record.kind == "video"]
        ages = [
            (asked.time_us - video["published"], video["video"]) for video in moments if video["published"]
        ]
        return [name for age, name in sorted(ages) if 0 <= age < 24 * HOUR_US]

    def test_it_is_the_newest_of_the_past(self):
        _, state, propose = self.built()
        asked = query(state)
        names = state.items.vocabulary.texts(propose(asked).items)
        assert names == self.published(state, asked)[:15]

    def test_all_of_the_window_when_it_is_asked_for(self):
        town = Town()
        state = town.state()
        asked = query(state)
        proposed = Fresh("1d", n=1000).ready(town.app, None, None)(asked)
        names = state.items.vocabulary.texts(proposed.items)
        assert names == self.published(state, asked)
        assert 30 < len(names) < 60
        assert ((proposed.scores >= 0) & (proposed.scores <= 1)).all()

    def test_an_upload_is_proposed_once_the_log_knows_it_and_its_moment_has_come(self):
        town = Town()
        video = {"video": "new", "published": NOW_US + HOUR_US}
        upload = Record(seq=1, id=None, kind="video", log_time_us=NOW_US, event_time_us=NOW_US, fields=video)
        state = town.state([upload])
        propose = Fresh("2h").ready(town.app, None, None)

        def at(time_us):
            return len(propose(replace(query(state), time_us=time_us)).items)

        hours = [at(NOW_US + HOUR_US - 1), at(NOW_US + HOUR_US), at(NOW_US + 3 * HOUR_US - 1)]
        assert [*hours, at(NOW_US + 3 * HOUR_US)] == [0, 1, 1, 0]

    def test_it_needs_one_moment_or_to_be_told_which(self):
        app = sl.App("two")
        film = app.entity("film", made=sl.Time, released=sl.Time)
        app.event("see", app.entity("viewer"), film)
        with pytest.raises(sl.DeclarationError, match=r"film\.made.*by=film\.published"):
            Fresh("1d").reads(app)
        assert Fresh("1d", by=film.released).reads(app) == ()
        assert repr(Fresh("1d", by=film.released)) == "Fresh(within='1d', n=50, by=film.released)"


class TestMistakes:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda town: Popular(n=0), r"Popular, n: expected a whole number from 1 to 10000, received 0"),
            (lambda town: Popular(n=2.5), r"received 2\.5"),
            (lambda town: Popular(n=True), r"received True"),
            (lambda town: Popular(half_life="1 day"), r"half_life: expected a duration"),
            (lambda town: ItemToItem(n=0), r"ItemToItem, n: expected a whole number"),
            (lambda town: ItemToItem(history=0), r"ItemToItem, history: expected a whole number"),
            (lambda town: ItemToItem(of=town.user), r"ItemToItem, of: expected an event"),
            (lambda town: Fresh("soon"), r"Fresh, within: expected a duration"),
            (lambda town: Fresh("1d", n=-1), r"Fresh, n"),
            (
                lambda town: Fresh("1d", by=town.video.topic),
                r"Fresh, by: expected an attribute of type sl\.Time",
            ),
            (lambda town: Fresh("1d", by="published"), r"received 'published'"),
        ],
    )
    def test_are_named_where_they_are_made(self, make, says):
        with pytest.raises(sl.DeclarationError, match=says):
            make(Town())
