"""The re-rankers: each by the suite, then what is its own; `Explore` against observed frequencies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

import shortlist as sl
from shortlist.stages.contract import Slate
from shortlist.stages.drawing import drawn_places
from shortlist.stages.rerankers.at_most import AtMost
from shortlist.stages.rerankers.diversify import Diversify
from shortlist.stages.rerankers.explore import Explore
from stages.conformance import RerankerConformance, few, slates
from stages.town import NUM_VIDEOS, Town, past, query

VIDEOS = [record.fields for record in past() if record.kind == "video"]


def slate_of(items, scores=None, num_clean=None):
    items = np.asarray(items, np.int64)
    scores = np.linspace(1, 0, len(items)) if scores is None else np.asarray(scores, np.float64)
    clean = len(items) if num_clean is None else num_clean
    return Slate(items, scores, np.ones_like(items), np.ones(len(items)), clean)


class TestAtMost(RerankerConformance):
    def stage(self, town):
        return AtMost(2, per=town.video.creator)

    @few
    @given(slates())
    def test_it_is_what_one_would_do_by_hand(self, slate):
        _, state, rerank = self.built()
        kept, over, counts = [], [], Counter()
        for item in slate.items[: slate.num_clean].tolist():
            creator = VIDEOS[item]["creator"]
            (over if creator is not None and counts[creator] >= 2 else kept).append(item)
            counts[creator] += 1
        ordered = rerank(query(state), slate)
        assert ordered.items.tolist() == kept + over + slate.items[slate.num_clean :].tolist()
        assert ordered.num_clean == len(kept)

    def test_two_rules_hold_together(self):
        town = Town()
        rules = [AtMost(1, per=town.video.creator), AtMost(3, per=town.video.topic)]
        town.surface(*rules)
        state = town.state()
        slate = slate_of(np.arange(NUM_VIDEOS))
        for rule in rules:
            slate = rule.ready(town.app)(query(state), slate)
        clean = [VIDEOS[item] for item in slate.items[: slate.num_clean]]
        assert max(Counter(video["creator"] for video in clean if video["creator"]).values()) == 1
        assert max(Counter(video["topic"] for video in clean if video["topic"]).values()) == 3
        assert len(slate) == NUM_VIDEOS


class TestDiversify(RerankerConformance):
    def stage(self, town):
        return Diversify(town.video.topic, strength=0.5)

    @few
    @given(slates())
    def test_it_is_the_greedy_choice(self, slate):
        _, state, rerank = self.built()
        clean = slate.num_clean
        scores = slate.scores[:clean]
        spread = scores.max() - scores.min() if clean else 0.0
        relevance = (scores - scores.min()) / spread if spread > 0 else np.ones(clean)
        left, placed, greedy = list(range(clean)), Counter(), []
        while left:
            topics = [VIDEOS[slate.items[row]]["topic"] for row in left]
            worth = [
                relevance[row] * 0.5 ** (placed[topic] if topic is not None else 0)
                for row, topic in zip(left, topics, strict=True)
            ]
            best = int(np.argmax(worth))
            placed[topics[best]] += 1
            greedy.append(int(slate.items[left.pop(best)]))
        ordered = rerank(query(state), slate)
        assert ordered.items.tolist() == greedy + slate.items[clean:].tolist()

    def test_no_strength_changes_nothing_and_full_strength_alternates(self):
        town = Town()
        state = town.state()
        slate = slate_of(np.arange(NUM_VIDEOS))
        idle = Diversify(town.video.topic, strength=0).ready(town.app)(query(state), slate)
        assert idle.items.tolist() == slate.items.tolist()
        full = Diversify(town.video.topic, strength=1).ready(town.app)(query(state), slate)
        topics = [VIDEOS[item]["topic"] for item in full.items]
        named = [topic for topic in topics[: topics.index(None)] if topic]
        first = [topic for topic in topics if topic is not None][:4]
        assert len(set(first)) == 4
        assert len(named) == len(set(named))

    def test_a_second_one_starts_from_the_order_of_the_first(self):
        town = Town()
        state = town.state()
        by_topic, by_creator = Diversify(town.video.topic, 0.9), Diversify(town.video.creator, 0.0)
        slate = slate_of(np.arange(NUM_VIDEOS))
        once = by_topic.ready(town.app)(query(state), slate)
        twice = by_creator.ready(town.app)(query(state), once)
        assert twice.items.tolist() == once.items.tolist() != slate.items.tolist()


class TestExplore(RerankerConformance):
    def stage(self, town):
        return Explore(slots=3, pool=20)

    def ordered(self, slate, k, seed=0):
        _, state, rerank = self.built()
        return rerank(query(state, k=k, seed=seed), slate)

    def test_exploited_places_keep_their_order_and_are_certain(self):
        explored = self.ordered(slate_of(np.arange(60)), k=12)
        places = drawn_places(12, 3)
        assert places.tolist() == [2, 6, 10]
        assert np.delete(explored.items[:12], places).tolist() == list(range(9))
        assert (np.delete(explored.propensities, places) == 1).all()
        assert explored.propensities[places].tolist() == [1 / 20] * 3
        assert set(explored.items[places]) <= set(range(9, 29))

    def test_two_of_twenty_are_the_sixth_and_the_sixteenth(self):
        assert (drawn_places(20, 2) + 1).tolist() == [6, 16]

    @few
    @given(st.integers(1, 40), st.integers(1, 20))
    def test_drawn_places_are_distinct_and_inside(self, k, slots):
        slots = min(slots, k)
        places = drawn_places(k, slots)
        assert len(set(places.tolist())) == slots
        assert ((places >= 0) & (places < k)).all()

    @pytest.mark.parametrize("num_clean", [13, 17, 60])
    def test_logged_propensities_are_the_observed_frequencies(self, num_clean):
        k, num_draws, slate = 12, 4000, slate_of(np.arange(60), num_clean=num_clean)
        observed = np.zeros((k, 60))
        logged = np.zeros((k, 60))
        for seed in range(num_draws):
            explored = self.ordered(slate, k, seed)
            shown = explored.items[:k]
            observed[np.arange(k), shown] += 1
            logged[np.arange(k), shown] = explored.propensities[:k]
        assert np.allclose(logged.sum(axis=1), 1)  # every item that may stand in a place was seen there
        for place in range(k):
            may = logged[place] > 0
            expected = num_draws * logged[place, may]
            distance = ((observed[place, may] - expected) ** 2 / expected).sum()
            # One place in a million would fail by chance; the seeds are fixed.
            assert distance <= chi2.ppf(1 - 1e-6, max(may.sum() - 1, 1))
        drawn = drawn_places(k, 3)
        assert ((logged[drawn] > 0).sum(axis=1) == min(20, num_clean - 9)).all()

    def test_places_are_drawn_without_replacement_and_neighbouring_seeds_are_independent(self):
        slate, places = slate_of(np.arange(60)), drawn_places(12, 3)
        draws = np.array([self.ordered(slate, 12, seed).items[places] for seed in range(3000)])
        assert (draws[:, 0] != draws[:, 1]).all()
        first = draws[:, 0] - 9
        pairs = np.zeros((20, 20))
        np.add.at(pairs, (first[:-1], first[1:]), 1)
        expected = len(first[1:]) / 400
        assert ((pairs - expected) ** 2 / expected).sum() <= chi2.ppf(1 - 1e-6, 399)

    def test_a_short_slate_is_not_explored_and_says_so(self):
        slate = slate_of(np.arange(12))
        explored = self.ordered(slate, k=12)
        assert explored.items.tolist() == list(range(12))
        assert (explored.propensities == 1).all()

    def test_at_most_half_of_the_places_are_drawn(self):
        for k, slots in [(1, 0), (2, 1), (3, 1), (4, 2), (6, 3), (20, 3)]:
            explored = self.ordered(slate_of(np.arange(60)), k=k)
            assert (explored.propensities[:k] < 1).sum() == slots

    def test_it_never_draws_what_breaks_a_rule(self):
        town = Town()
        rule, explore = AtMost(1, per=town.video.creator), Explore(slots=3)
        state = town.state()
        for seed in range(200):
            asked = query(state, k=8, seed=seed)
            slate = rule.ready(town.app)(asked, slate_of(np.arange(NUM_VIDEOS)))
            shown = explore.ready(town.app)(asked, slate).items[:8]
            creators = [VIDEOS[item]["creator"] for item in shown]
            named = [creator for creator in creators if creator is not None]
            assert len(named) == len(set(named))


class TestMistakes:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda town: AtMost(0, per=town.video.creator), r"AtMost, num: expected a whole number"),
            (
                lambda town: AtMost(1, per="creator"),
                r"AtMost, per: expected an attribute .* received 'creator'",
            ),
            (lambda town: AtMost(1, per=town.video.duration_s), r"received video\.duration_s \(float\)"),
            (
                lambda town: Diversify(town.video.topic, strength=1.5),
                r"strength: expected a number from 0 to 1",
            ),
            (lambda town: Diversify(town.video.topic, strength="a lot"), r"received 'a lot'"),
            (lambda town: Explore(slots=0), r"Explore, slots: expected a whole number from 1 to 100"),
            (lambda town: Explore(slots=5, pool=5), r"Explore, pool: expected more than slots=5"),
        ],
    )
    def test_are_named_where_they_are_made(self, make, says):
        with pytest.raises(sl.DeclarationError, match=says):
            make(Town())

    def test_an_attribute_of_the_user_cannot_tell_candidates_apart(self):
        town = Town()
        for stage in (AtMost(1, per=town.user.country), Diversify(town.user.country)):
            with pytest.raises(sl.DeclarationError, match=r"an attribute of video.*received user\.country"):
                stage.reads(town.app)


def test_a_slate_is_reordered_as_a_whole():
    slate = replace(slate_of([5, 6, 7]), propensities=np.array([1.0, 0.5, 0.25]))
    turned = slate.ordered(np.array([2, 0, 1]))
    assert turned.items.tolist() == [7, 5, 6]
    assert turned.scores.tolist() == [0.0, 1.0, 0.5]
    assert turned.propensities.tolist() == [0.25, 1.0, 0.5]
