"""Bands: every row is in the band it should be in, and a band without rows is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.offline.evaluation.bands import SHORT_HISTORY, item_bands, user_bands, value_bands


@given(counts=st.lists(st.integers(0, 30), max_size=40))
@settings(max_examples=150, deadline=None)
def test_users_by_what_is_known_of_them(counts):
    bands = user_bands(np.array(counts, np.int64))
    assert all(band.any() for band in bands.values())
    found = {name: np.flatnonzero(band).tolist() for name, band in bands.items()}
    assert found.get("new users", []) == [at for at, count in enumerate(counts) if count == 0]
    short = [at for at, count in enumerate(counts) if 0 < count < SHORT_HISTORY]
    assert found.get("users with a short history", []) == short
    most = sorted(counts, reverse=True)[: max(1, round(0.1 * len(counts)))]
    heavy = [at for at, count in enumerate(counts) if count > min(counts) and count >= most[-1]]
    assert found.get("heavy users", []) == heavy


@given(counts=st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_catalogue_is_parted_into_new_popular_and_tail(counts):
    bands = item_bands(np.array(counts, np.int64))
    parts = [
        bands.get(name, np.zeros(len(counts), bool)) for name in ("new items", "popular items", "tail items")
    ]
    assert (np.sum(parts, axis=0) == 1).all()
    new, popular, tail = ([counts[at] for at in np.flatnonzero(part)] for part in parts)
    assert set(new) <= {0}
    assert len(popular) == round(0.2 * (len(popular) + len(tail)))
    assert min(popular, default=99) >= max(tail, default=0)


@given(
    values=st.lists(st.one_of(st.just(np.nan), st.integers(0, 12)), max_size=40),
    is_text=st.booleans(),
    max_bands=st.integers(2, 5),
)
@settings(max_examples=150, deadline=None)
def test_an_attribute_is_parted_without_a_gap(values, is_text, max_bands):
    column = np.array(values, np.float32)
    texts = [f"t{number}" for number in range(13)] if is_text else None
    bands = value_bands("user.x", column, texts, max_bands=max_bands)
    if values:
        assert (np.sum(list(bands.values()), axis=0) == 1).all()
    known = [name for name in bands if name not in ("user.x: (other)", "user.x: (unknown)")]
    assert len(known) <= max_bands
    np.testing.assert_array_equal(bands.get("user.x: (unknown)", np.isnan(column)), np.isnan(column))
    for name in known:
        inside = column[bands[name]]
        if is_text:
            assert {f"user.x: t{int(value)}" for value in inside} == {name}
        elif " to " in name:
            low, high = name.removeprefix("user.x: ").split(" to ")
            assert (inside.min(), inside.max()) == (float(low), float(high))
        else:
            assert {f"user.x: {value:g}" for value in inside} == {name}


def test_the_most_frequent_categories_have_a_band_of_their_own():
    column = np.array([0, 1, 1, 2, 2, 2, 3], np.float32)
    bands = value_bands("video.topic", column, ["a", "b", "c", "d"], max_bands=2)
    assert list(bands) == ["video.topic: c", "video.topic: b", "video.topic: (other)"]


@pytest.mark.parametrize("texts", [["unknown", "a", "other"], ["(unknown)", "((unknown))", "(other)"]])
def test_a_category_called_unknown_or_other_keeps_its_rows(texts):
    column = np.array([0, 0, 1, 2, 2, np.nan], np.float32)
    bands = value_bands("user.job", column, texts, max_bands=5)
    assert {name: band.sum() for name, band in bands.items() if name.removeprefix("user.job: ") in texts} == {
        f"user.job: {texts[0]}": 2, f"user.job: {texts[1]}": 1, f"user.job: {texts[2]}": 2,
    }  # fmt: skip
    assert (np.sum(list(bands.values()), axis=0) == 1).all()
    with_rest = value_bands("user.job", column, texts, max_bands=1)
    assert sorted(band.sum() for band in with_rest.values()) == [1, 2, 3]


def test_numbers_that_differ_late_have_bands_of_their_own():
    few = value_bands("x", np.array([1_000_001, 1_000_001, 1_000_002], np.float32), None)
    assert {name: band.sum() for name, band in few.items()} == {"x: 1000001": 2, "x: 1000002": 1}
    many = value_bands("x", np.arange(1_000_000, 1_000_010, dtype=np.float32), None)
    assert next(iter(many)) == "x: 1000000 to 1000001"
    assert [band.sum() for band in many.values()] == [2] * 5
    assert list(value_bands("x", np.array([0.1, 2.5], np.float32), None)) == ["x: 0.1", "x: 2.5"]


def test_ranges_of_a_number_hold_about_as_many_rows_each():
    column = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    sizes = [band.sum() for band in value_bands("video.duration_s", column, None).values()]
    assert sizes == [200] * 5
    skewed = np.array([0.0] * 900 + list(range(1, 101)), np.float32)
    assert [band.sum() for band in value_bands("x", skewed, None).values()] == pytest.approx([900, 100])
