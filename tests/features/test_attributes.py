"""Attributes as rows: a release's, and those of the state that serves, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import shortlist as sl
from shortlist.declare.entities import Entity
from shortlist.features.attributes import attribute_encoding, attribute_rows
from shortlist.features.encoders import Encoding
from shortlist.features.entities import EntityTable
from shortlist.log.columns import NULL_INT

FILM = Entity(
    "film", {"title": str, "genre": str, "seconds": float, "seen": int, "adult": bool, "made": sl.Time}
)
GENRES = ["war"] * 5 + ["drama"] * 7 + ["comedy"] * 5 + ["mime"] * 4 + [""]
NUM_FILMS = len(GENRES)


def described(order: np.ndarray) -> EntityTable:
    """The same films, told of in an order of their own, after one that is only known by name."""
    table = EntityTable(FILM)
    table.vocabulary.insert(["only seen"])
    for film in order.tolist():
        code = table.vocabulary.insert([f"f{film}"])
        genre = table.vocabularies["genre"].insert([GENRES[film]])
        columns = {
            "title": table.vocabularies["title"].insert([f"Film {film}"]),
            "genre": genre if GENRES[film] else np.array([-1]),
            "seconds": np.array([(0.1 * film, np.nan, 1e300)[film % 3]]),
            "seen": np.array([NULL_INT if film % 4 == 0 else film]),
            "adult": np.array([film % 3 - 1], np.int8),
            "made": np.array([film]),
        }
        table.update(code, columns)
    return table


@pytest.fixture
def orders():
    return [np.arange(NUM_FILMS), np.random.default_rng(3).permutation(NUM_FILMS)]


def test_the_order_of_the_updates_does_not_show(orders):
    tables = [described(order) for order in orders]
    encodings = [attribute_encoding(table) for table in tables]
    assert encodings[0].names == encodings[1].names == ("genre", "seconds", "seen", "adult")
    assert encodings[0].categories == encodings[1].categories == {"genre": ["drama", "comedy", "war"]}
    names = [*(f"f{film}" for film in range(NUM_FILMS)), "only seen", "never seen"]
    rows = [attribute_rows(table, table.vocabulary.codes(names), encodings[0]) for table in tables]
    assert rows[0].dtype == np.float32
    assert rows[0].tobytes() == rows[1].tobytes()


def test_what_each_type_becomes(orders):
    table = described(orders[1])
    codes = table.vocabulary.codes(["f4", "f5", "f9", "f15", "f17", "f20", "f21", "only seen", "never seen"])
    rows = attribute_rows(table, codes, attribute_encoding(table))
    nan = np.nan
    expected = [
        [2, nan, nan, 0],
        [0, nan, 5, 1],
        [0, 0.9, 9, nan],
        [1, 1.5, 15, nan],
        [nan, nan, 17, 1],  # too few mime films for a number
        [nan, nan, nan, 1],
        [nan, 2.1, 21, nan],
        *[[nan] * 4] * 2,
    ]
    np.testing.assert_array_equal(rows, np.array(expected, np.float32))


def test_a_film_told_of_later_is_read_with_the_releases_encoding(orders):
    table = described(orders[0])
    encoding = attribute_encoding(table)
    loaded = Encoding(encoding.names, encoding.categories)
    before = attribute_rows(table, np.arange(len(table)), loaded)
    code = table.vocabulary.insert(["later"])
    genre = table.vocabularies["genre"].insert(["puppets", "war"])
    columns = {
        "title": np.array([-1]), "genre": genre[1:], "seconds": np.array([9.5]), "seen": np.array([3]),
        "adult": np.array([1], np.int8), "made": np.array([0]),
    }  # fmt: skip
    table.update(code, columns)
    assert attribute_rows(table, code, loaded).tolist() == [[2, 9.5, 3, 1]]
    np.testing.assert_array_equal(attribute_rows(table, np.arange(len(table) - 1), loaded), before)


def test_an_entity_without_attributes_has_no_column():
    table = EntityTable(Entity("user", {}))
    table.vocabulary.insert(["u1"])
    assert attribute_encoding(table).num_columns == 0
    assert attribute_rows(table, np.array([0, -1]), attribute_encoding(table)).shape == (2, 0)


def test_which_ids_changed_since():
    table = EntityTable(Entity("user", {"age": float}))
    codes = table.vocabulary.insert(["a", "b", "c"])
    table.update(codes[:2], {"age": np.array([1.0, 2.0])})
    first = table.num_updates
    assert table.changed_since(0, codes).tolist() == [True, True, False]
    table.update(codes[1:2], {"age": np.array([3.0])})
    assert table.changed_since(first, codes).tolist() == [False, True, False]
    assert not table.changed_since(table.num_updates, codes).any()
