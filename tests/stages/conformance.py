"""What every stage must hold to. A stage's tests inherit a suite and name the stage, in three lines:

class TestPopular(SourceConformance):
    def stage(self, town):
        return Popular(n=20)
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shortlist
from shortlist.declare.surface import Stage
from shortlist.features.online import OnlineState
from shortlist.stages.contract import Retrieved, Slate
from stages.town import NUM_USERS, NUM_VIDEOS, Town, codes_of, fitted_for, query

few = settings(
    max_examples=40,
    deadline=None,
    # The suites are inherited, so one test runs for several classes, as it should.
    suppress_health_check=[HealthCheck.differing_executors],
)
users = st.integers(0, NUM_USERS - 1).map(lambda number: f"u{number}") | st.just("never seen")
seeds = st.integers(0, 2**63 - 1)
several_items = st.lists(st.integers(0, NUM_VIDEOS - 1), unique=True, max_size=60).map(
    lambda codes: frozen(np.array(codes, np.int64))
)


def frozen(array: np.ndarray) -> np.ndarray:
    """Make an array that nobody may change."""
    array.flags.writeable = False
    return array


@st.composite
def slates(draw: st.DrawFn) -> Slate:
    """Any slate an engine may hand on: by falling score, ties and negatives included."""
    items = draw(several_items)
    numbers = st.floats(-4, 4).map(lambda value: round(value, 1))
    scores = draw(st.lists(numbers, min_size=len(items), max_size=len(items)))
    num_clean = draw(st.integers(0, len(items)))
    return Slate(
        items,
        frozen(-np.sort(-np.array(scores, np.float64))),
        frozen(
            np.array(draw(st.lists(st.integers(1, 7), min_size=len(items), max_size=len(items))), np.int64)
        ),
        frozen(np.ones(len(items))),
        num_clean,
    )


class _Conformance:
    def stage(self, town: Town) -> Stage:
        raise NotImplementedError

    def built(self, is_empty: bool = False):
        """The stage, the state it reads, and the function that serves; made once a test."""
        if is_empty not in self._built:
            self._built[is_empty] = self._build(is_empty)
        return self._built[is_empty]

    @pytest.fixture(autouse=True)
    def nothing_built(self) -> None:
        self._built = {}

    def _build(self, is_empty: bool):
        town = Town()
        stage = self.stage(town)
        town.surface(stage)
        state = town.state([] if is_empty else None)
        if stage.role == "source":
            return stage, state, stage.ready(town.app, fitted_for(stage), codes_of(state))
        return stage, state, stage.ready(town.app)

    def test_its_name_finds_it(self) -> None:
        kind = type(self.built()[0])
        assert getattr(shortlist, kind.__name__) is kind

    def test_it_is_frozen(self) -> None:
        stage = self.built()[0]
        for field in fields(stage):
            with pytest.raises(FrozenInstanceError):
                setattr(stage, field.name, None)

    def test_its_repr_is_complete_and_always_the_same(self) -> None:
        stages = [self.stage(Town()) for _ in range(2)]
        assert repr(stages[0]) == repr(stages[1])
        assert " at 0x" not in repr(stages[0])
        for field in fields(stages[0]):
            assert f"{field.name}={getattr(stages[0], field.name)!r}" in repr(stages[0])


class SourceConformance(_Conformance):
    """For a `SourceStage` with a setting `n`."""

    @few
    @given(users, seeds)
    def test_what_it_proposes(self, user: str, seed: int) -> None:
        stage, state, propose = self.built()
        proposed = propose(query(state, user, seed=seed))
        items = check_proposal(proposed, state)
        assert len(items) <= stage.n
        again = propose(query(state, user, seed=seed))
        assert np.array_equal(again.items, items)
        assert np.array_equal(again.scores, proposed.scores)

    def test_it_proposes_something(self) -> None:
        _, state, propose = self.built()
        assert len(propose(query(state, "u1")).items)

    @pytest.mark.parametrize("user", ["u1", "never seen"])
    def test_an_empty_state_gives_nothing(self, user: str) -> None:
        _, state, propose = self.built(True)
        assert len(check_proposal(propose(query(state, user)), state)) == 0

    def test_the_state_is_not_changed(self) -> None:
        _, state, propose = self.built()
        before = (state.last_seq, len(state.items), len(state.users), state.num_bytes)
        propose(query(state, "u1"))
        assert before == (state.last_seq, len(state.items), len(state.users), state.num_bytes)


def check_proposal(proposed: Retrieved, state: OnlineState) -> np.ndarray:
    """Check what holds for any proposal."""
    items, scores = proposed.items, proposed.scores
    assert items.dtype == np.int64
    assert scores.dtype == np.float32
    assert items.shape == scores.shape
    assert len(np.unique(items)) == len(items)
    assert ((items >= 0) & (items < len(state.items))).all()
    assert np.isfinite(scores).all()
    assert (np.diff(scores) <= 0).all()
    return items


class FilterConformance(_Conformance):
    """For a `FilterStage`."""

    @few
    @given(users, several_items)
    def test_what_it_keeps(self, user: str, items: np.ndarray) -> None:
        _, state, keep = self.built()
        asked = query(state, user, device="tv")
        kept = keep(asked, items)
        assert kept.dtype == np.bool_
        assert kept.shape == items.shape
        assert np.array_equal(kept, keep(asked, items))
        # Whether a candidate is kept does not depend on its company.
        assert np.array_equal(kept[::-1], keep(asked, frozen(items[::-1].copy())))

    @pytest.mark.parametrize("user", ["u1", "never seen"])
    def test_no_candidates(self, user: str) -> None:
        for is_empty in (False, True):
            _, state, keep = self.built(is_empty)
            assert keep(query(state, user), np.empty(0, np.int64)).shape == (0,)

    def test_it_drops_some_and_keeps_some(self) -> None:
        _, state, keep = self.built()
        kept = keep(query(state, "u1", device="tv"), np.arange(NUM_VIDEOS))
        assert 0 < kept.sum() < NUM_VIDEOS


class RerankerConformance(_Conformance):
    """For a `RerankStage`."""

    @few
    @given(users, slates(), st.integers(1, 30), seeds)
    def test_what_it_orders(self, user: str, slate: Slate, k: int, seed: int) -> None:
        _, state, rerank = self.built()
        asked = query(state, user, k=k, seed=seed)
        ordered = rerank(asked, slate)
        rows = {item: row for row, item in enumerate(slate.items.tolist())}
        places = [rows.pop(item) for item in ordered.items.tolist()]
        assert not rows
        assert np.array_equal(ordered.scores, slate.scores[places])
        assert np.array_equal(ordered.sources, slate.sources[places])
        assert ordered.propensities.shape == ordered.items.shape
        assert ((ordered.propensities > 0) & (ordered.propensities <= 1)).all()
        # What stood behind the rest stays behind it.
        assert 0 <= ordered.num_clean <= slate.num_clean
        assert set(ordered.items[: ordered.num_clean]) <= set(slate.items[: slate.num_clean])
        again = rerank(asked, slate)
        assert np.array_equal(again.items, ordered.items)
        assert np.array_equal(again.propensities, ordered.propensities)

    def test_it_reorders(self) -> None:
        _, state, rerank = self.built()
        items = np.arange(NUM_VIDEOS)
        slate = Slate(
            items, np.linspace(1, 0.5, len(items)), np.ones_like(items), np.ones(len(items)), len(items)
        )
        assert not np.array_equal(rerank(query(state), slate).items, items)

    def test_an_empty_state(self) -> None:
        _, state, rerank = self.built(True)
        nothing = np.empty(0, np.int64)
        slate = Slate(nothing, np.empty(0), nothing, np.empty(0), 0)
        assert len(rerank(query(state, "never seen"), slate)) == 0
