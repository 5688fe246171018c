"""Candidates are read in groups that share keys; together they have the bits that each has alone."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.declarations import ITEMS, START_US, USERS, Happening, apps, happenings
from features.test_fold import batches
from shortlist.declare.app import App
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState

TEXTS = ["t1", "nl", "tv"]
NUM_CODES = len(ITEMS) + 3  # some were never seen


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    app=apps(),
    happened=happenings(),
    user=st.integers(-1, len(USERS)),
    candidates=st.lists(st.integers(-1, NUM_CODES), max_size=30),
    data=st.data(),
)
def test_candidates_read_together_have_the_bits_of_each_alone(
    app: App, happened: list[Happening], user: int, candidates: list[int], data: st.DataObject
) -> None:
    state = OnlineState(app)
    for batch in batches(app, happened, max_rows=9):
        state.apply(batch)
    if data.draw(st.booleans(), label="released"):
        state.release()
    encoding = Encoding(state.plan.names, dict.fromkeys(state.plan.categorical, TEXTS))
    time_us = state.moment(START_US)
    context = {"device": "tv", "hour": 3}

    def read(items: list[int]) -> np.ndarray:
        return state.features(user, np.array(items, np.int64), time_us, context, encoding)

    together = read(candidates)
    assert together.shape == (len(candidates), len(state.plan.names))
    for row, item in enumerate(candidates):
        assert together[row].tobytes() == read([item])[0].tobytes()
