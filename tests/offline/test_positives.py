"""What a surface's sources learn from: beside the positives, what is known of users and items."""

from __future__ import annotations

import numpy as np

from shortlist.features.attributes import attribute_rows
from shortlist.features.online import OnlineState
from shortlist.offline.positives import surface_interactions
from shortlist.recipes.video.app import app


def test_attributes_are_those_that_serving_reads(history, log):
    """The state numbers ids and texts in an order of its own, as any process does."""
    interactions = surface_interactions(history, app.surfaces["home"])
    state = OnlineState(app)
    state.users.vocabulary.insert(["a stranger"])
    state.items.vocabulary.insert(["an upload", *reversed(history.items.texts())])
    state.items.vocabularies["topic"].insert(["a new topic"])
    state.items.make_room()
    state.users.make_room()
    state.catch_up(log)
    for table, ids, known in (
        (state.users, history.users.texts(), interactions.user_attributes),
        (state.items, history.items.texts(), interactions.item_attributes),
    ):
        served = attribute_rows(table, table.vocabulary.codes(ids), known.encoding)
        assert served.tobytes() == known.values.tobytes()
        assert np.isfinite(known.values).any(axis=0).all()


def test_a_moment_and_a_name_of_its_own_are_no_attributes_of_retrieval(history):
    known = surface_interactions(history, app.surfaces["home"]).item_attributes
    types = app.item_entity.attribute_types
    assert "time" in types.values()
    shared = {name for name, type_ in types.items() if type_ != "time"} - {"title"}
    assert set(known.encoding.names) == shared
