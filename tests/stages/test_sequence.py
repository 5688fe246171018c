"""The source that asks a transformer: by the suite, then what is its own."""

from __future__ import annotations

import numpy as np
import pytest

import shortlist as sl
from shortlist.log.record import Record
from shortlist.models.retrieval import UserBatch
from shortlist.stages.sources.sequence import Sequence
from stages.conformance import SourceConformance
from stages.town import NOW_US, NUM_USERS, Town, fitted_for, fold, past, query, release_items


class TestSequence(SourceConformance):
    def stage(self, town):
        return Sequence(n=20, history=5)

    @pytest.mark.parametrize("user", ["u1", "u7", "u20"])
    def test_it_is_what_the_model_ranks_first_without_the_history(self, user):
        stage, state, propose = self.built()
        release = release_items()
        watches = [record.fields for record in past() if record.kind == "watch"]
        videos = [watch["video"] for watch in watches if watch["user"] == user][: -stage.history - 1 : -1]
        history = list(dict.fromkeys(videos))
        numbers = np.array([[release.index(video) for video in history]], np.int32)
        scores = fitted_for(stage).scores(UserBatch(numbers))[0]
        ranked = [release[number] for number in np.argsort(-scores, kind="stable")]
        expected = [video for video in ranked if video not in (*history, "ghost")][:20]
        proposed = propose(query(state, user))
        assert state.items.vocabulary.texts(proposed.items) == expected
        best = [scores[release.index(video)] for video in expected]
        np.testing.assert_allclose(proposed.scores, best, rtol=1e-5)

    def test_a_watch_is_in_the_next_answer(self):
        _, state, propose = self.built()
        before = propose(query(state, "u3")).items
        watch = Record(
            seq=state.last_seq + 1, id=None, kind="watch", log_time_us=state.last_log_time_us + 1,
            event_time_us=NOW_US, fields={"user": "u3", "video": "v100", "watch_s": 3.0},
        )  # fmt: skip
        fold(state, [watch])
        assert not np.array_equal(propose(query(state, "u3")).items, before)

    def test_who_did_nothing_gets_nothing(self):
        _, state, propose = self.built()
        assert len(propose(query(state, f"u{NUM_USERS - 1}")).items) == 0
        assert len(propose(query(state, "never seen")).items) == 0

    @pytest.mark.parametrize(
        ("setting", "says"),
        [
            ({"n": 0}, r"Sequence, n: expected a whole number from 1 to 10000, received 0"),
            ({"history": 1001}, r"Sequence, history: expected a whole number from 1 to 1000, received 1001"),
            ({"of": "watch"}, r"Sequence, of: expected an event"),
        ],
    )
    def test_mistakes_are_named_where_they_are_made(self, setting, says):
        with pytest.raises(sl.DeclarationError, match=says):
            Sequence(**setting)


def test_what_must_be_fitted_reads_as_far_back_as_the_stage():
    assert Sequence(history=30).model == sl.SequenceTransformer(history=30)
    assert Sequence(history=30).reads(Town().app)[0].n == 30
