"""Interactions from plain columns: nothing is lost, and ids find their way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.models.errors import ModelError
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluation.named_interactions import NamedInteractions

ids = st.one_of(
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=5, unique=True),
    st.lists(st.text(max_size=3).filter(lambda text: "\0" not in text), min_size=1, max_size=5, unique=True),
)


@st.composite
def logs(draw):
    users, items = draw(ids), draw(ids)
    row = st.tuples(st.sampled_from(users), st.sampled_from(items), st.integers(0, 9), st.integers(0, 3))
    return draw(st.lists(row, min_size=1, max_size=30))


@given(rows=logs(), as_objects=st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_events_come_back_in_the_order_of_time(rows, as_objects):
    users, items, times, weights = map(list, zip(*rows, strict=True))
    if as_objects and isinstance(users[0], str):
        users = np.array(users, object)
    data = NamedInteractions.from_events(users, items, times, weights)
    log = data.interactions
    back = zip(
        data.user_ids[log.users].tolist(),
        data.item_ids[log.items].tolist(),
        log.times_us.tolist(),
        log.weights.tolist(),
        strict=True,
    )
    assert list(back) == sorted(rows, key=lambda row: row[2]), "events of one moment keep their order"
    assert (log.num_users, log.num_items) == (len({row[0] for row in rows}), len({row[1] for row in rows}))


def test_times_may_be_dates_and_weights_may_be_left_out():
    times = np.array(["2026-01-02", "2026-01-01T00:00:01"], "datetime64[s]")
    log = NamedInteractions.from_events(["a", "b"], [7, 7], times).interactions
    assert log.times_us.tolist() == [1_767_225_601_000_000, 1_767_312_000_000_000]
    assert log.users.tolist() == [1, 0]
    assert log.weights.tolist() == [1.0, 1.0]


def test_attributes_stand_beside_their_ids():
    data = NamedInteractions.from_events(["ann", "bob", "ann"], ["x", "y", "z"], range(3))
    data = data.with_item_attributes(
        ["z", "nowhere", "x"], {"topic": ["news", "art", "art"], "minutes": [3, 4, 2.5]}
    )
    data = data.with_user_attributes(np.array(["bob"], object), {"age": [40]})
    attributes = data.interactions.item_attributes
    assert attributes.encoding.names == ("topic", "minutes")
    topics = attributes.encoding.categories["topic"]
    assert [topics[int(attributes.values[row, 0])] for row in (0, 2)] == ["art", "news"]
    np.testing.assert_array_equal(attributes.values[:, 1], np.array([2.5, np.nan, 3], np.float32))
    assert np.isnan(attributes.values[1]).all(), "nothing was said of y"
    np.testing.assert_array_equal(
        data.interactions.user_attributes.values, np.array([[np.nan], [40]], np.float32)
    )


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (
            ([1, 2], [1], [1, 2]),
            OfflineError,
            "from_events: expected an event or more, in columns of one length",
        ),
        (([], [], []), OfflineError, "expected an event or more"),
        (([1], [1], [0.5]), OfflineError, "times of float64. Pass one user"),
        (([1.5], [1], [0]), OfflineError, "users: expected ids that are whole numbers or texts"),
        (([1], [1], [0], [-1.0]), ModelError, "non-negative weights"),
    ],
)
def test_bad_columns_are_named(columns, error, message):
    with pytest.raises(error, match=message):
        NamedInteractions.from_events(*columns)


def test_bad_attributes_are_named():
    data = NamedInteractions.from_events(["ann"], ["x"], [0])
    with pytest.raises(OfflineError, match=r"attributes of items: .* columns of another length: \['topic'\]"):
        data.with_item_attributes(["x"], {"topic": ["a", "b"]})
    with pytest.raises(OfflineError, match=r"attributes of users: expected .* each id once"):
        data.with_user_attributes(["ann", "ann"], {"age": [1, 2]})
    with pytest.raises(OfflineError, match=r"attributes of users: .* received 1 ids of type int64"):
        data.with_user_attributes([1], {"age": [1]})


COUNTRIES = [["de", None, "fr"], ["de", np.nan, "fr"], ["de", np.float32("nan"), "fr"]]


@pytest.mark.parametrize("countries", [*COUNTRIES, *(np.array(one, object) for one in COUNTRIES)])
def test_a_text_that_is_none_or_nan_is_unknown(countries):
    data = NamedInteractions.from_events([1, 2, 3], [1, 1, 1], range(3))
    attributes = data.with_user_attributes([1, 2, 3], {"country": countries}).interactions.user_attributes
    np.testing.assert_array_equal(attributes.values[:, 0], np.array([0, np.nan, 1], np.float32))
    assert list(attributes.encoding.categories["country"]) == ["de", "fr"]


@pytest.mark.parametrize(
    "ages", [[1.5, None, 2], [1.5, np.nan, 2], np.array([1.5, None, np.int64(2)], object)]
)
def test_a_number_beside_none_stays_a_number(ages):
    data = NamedInteractions.from_events(["a", "b", "c"], [1, 1, 1], range(3))
    columns = {"age": ages, "adult": [True, None, np.False_]}
    attributes = data.with_user_attributes(["a", "b", "c"], columns).interactions.user_attributes
    assert not attributes.encoding.categories
    np.testing.assert_array_equal(
        attributes.values, np.array([[1.5, 1], [np.nan, np.nan], [2, 0]], np.float32)
    )


@pytest.mark.parametrize("unknown", [None, np.nan])
@pytest.mark.parametrize("make", [list, lambda ids: np.array(ids, object)])
def test_an_event_or_an_attribute_of_nobody_is_refused(unknown, make):
    with pytest.raises(
        OfflineError, match="users: expected an id in every row, received None or NaN in 1 of"
    ):
        NamedInteractions.from_events(make(["ann", unknown]), ["x", "y"], [0, 1])
    with pytest.raises(OfflineError, match=r"items: expected an id in every row, .* Leave out the rows"):
        NamedInteractions.from_events(["ann", "bob"], make(["x", unknown]), [0, 1])
    data = NamedInteractions.from_events(["ann"], ["x"], [0])
    with pytest.raises(OfflineError, match="attributes of users: expected an id in every row"):
        data.with_user_attributes(make(["ann", unknown]), {"age": [1, 2]})
