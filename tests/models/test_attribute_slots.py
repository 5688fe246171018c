"""Attributes as weights on slots: what each kind of column becomes, and files that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shortlist.features.encoders import Encoding
from shortlist.models.columns.attributes import AttributeSlots
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.retrieval import Attributes

ENCODING = Encoding(("topic", "year", "explicit"), {"topic": ["cats", "news", "chess"]})


def rows(*values: tuple[float, float, float]) -> np.ndarray:
    return np.array(values, np.float32)


def fitted() -> AttributeSlots:
    years = np.arange(1901.0, 1909.0)
    values = np.stack([np.zeros(8), years, np.arange(8) % 2], axis=1).astype(np.float32)
    return AttributeSlots.fit(Attributes(values, ENCODING))


def test_a_category_has_a_slot_and_what_is_unknown_has_one() -> None:
    weights = fitted().weights(
        rows((0, 1901, 0), (2, 1901, 0), (np.nan, 1901, 0), (3, 1901, 0), (-1, 1901, 0))
    )
    assert weights[:, :4].tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], *[[1, 0, 0, 0]] * 3]


def test_a_number_lies_between_two_knots_and_not_outside() -> None:
    weights = fitted().weights(
        rows((0, 1901, 0), (0, 1904.25, 0), (0, 1800, 0), (0, 3000, 0), (0, np.nan, 0))
    )
    years = weights[:, 4:13]
    assert years[0].tolist() == years[2].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert years[1].tolist() == [0, 0, 0, 0, 0.75, 0.25, 0, 0, 0]
    assert years[3].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert years[4].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_what_is_not_the_one_frequent_value_has_knots_too() -> None:
    years = np.concatenate([np.zeros(990), np.arange(1, 11)])
    values = np.stack([np.zeros(1000), years, np.zeros(1000)], axis=1).astype(np.float32)
    slots = AttributeSlots.fit(Attributes(values, ENCODING))
    one, ten = slots.weights(rows((0, 1, 0), (0, 5, 0)))
    assert slots.knots[1].tolist()[:3] == [0.0, 1.0, 2.0]
    assert len(slots.knots[1]) == 8
    assert not (one * ten)[4:-2].any()


def test_no_and_yes_are_two_slots() -> None:
    assert fitted().weights(rows((0, 1901, 0), (0, 1901, 1)))[:, 14:].tolist() == [[1, 0], [0, 1]]


anything = arrays.arrays(np.float32, st.tuples(st.integers(0, 9), st.just(3)), elements=st.floats(width=32))


@given(anything, anything)
def test_each_column_weighs_one(seen: np.ndarray, asked: np.ndarray) -> None:
    slots = AttributeSlots.fit(Attributes(seen, ENCODING))
    weights = slots.weights(asked)
    assert weights.shape == (len(asked), slots.num_slots)
    assert ((weights >= 0) & (weights <= 1)).all()
    np.testing.assert_allclose(weights[:, :4].sum(axis=1), 1.0)
    np.testing.assert_allclose(weights.sum(axis=1), 3.0, rtol=1e-5)


def test_nothing_known_of_anybody_is_no_slot() -> None:
    slots = AttributeSlots.fit(None)
    assert (slots.num_slots, slots.weights(np.empty((4, 0), np.float32)).shape) == (0, (4, 0))


def test_other_columns_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match="topic, year, explicit"):
        fitted().weights(np.zeros((2, 4), np.float32))


def test_loading_gives_the_same_weights(tmp_path: Path) -> None:
    described = json.loads(json.dumps(fitted().save(tmp_path, "item")))
    asked = rows((1, 1903.3, 1), (np.nan, np.nan, np.nan))
    loaded = AttributeSlots.load(tmp_path, "item", described)
    assert loaded.weights(asked).tobytes() == fitted().weights(asked).tobytes()
    assert loaded.encoding.names == ENCODING.names


@pytest.mark.parametrize(
    "damage",
    [
        {"names": None},
        {"names": ["topic", "year"]},
        {"categories": {"topic": [1]}},
        {"categories": {"genre": ["cats"]}},
        {"num_knots": [0, 9, 2]},
        {"num_knots": [0, -8, 2]},
        {"num_knots": "many"},
        {"num_knots": [0, 2**70, 2]},
        {"num_knots": [0, 2**62, 2**62]},
        {"num_knots": [2, 6, 2]},
        {"num_knots": [0, 0, 10]},
    ],
)
def test_a_damaged_description_is_refused(damage: dict[str, object], tmp_path: Path) -> None:
    described = fitted().save(tmp_path, "item")
    with pytest.raises(ModelFileError):
        AttributeSlots.load(tmp_path, "item", {**described, **damage})


def test_knots_out_of_order_are_refused(tmp_path: Path) -> None:
    described = fitted().save(tmp_path, "item")
    knots = np.load(tmp_path / "item_knots.npy")
    np.save(tmp_path / "item_knots.npy", knots[::-1].copy())
    with pytest.raises(ModelFileError, match="increasing item_knots"):
        AttributeSlots.load(tmp_path, "item", described)
