"""Types, durations and tiles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist as sl
from shortlist.declare.types import default_tile_us, duration_text, duration_us, field_type

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

durations = st.integers(1, 3650 * 86_400).map(lambda seconds: seconds * SECOND_US)


@pytest.mark.parametrize(
    ("declared", "type_"),
    [(str, "str"), (int, "int"), (float, "float"), (bool, "bool"), (sl.Time, "time")],
)
def test_each_declared_type_has_one_field_type(declared, type_):
    assert field_type("a field", declared) == type_


@settings(max_examples=300)
@given(durations)
def test_a_printed_duration_reads_back_as_itself(duration):
    assert duration_us("a duration", duration_text(duration)) == duration


@settings(max_examples=200)
@given(st.integers(1, 500), st.sampled_from(sorted(UNITS_S)))
def test_a_duration_means_its_number_of_its_unit(number, unit):
    assert duration_us("a duration", f"{number}{unit}") == number * UNITS_S[unit] * SECOND_US


@pytest.mark.parametrize(
    ("duration", "text"), [(90, "90s"), (120, "2m"), (86_400, "1d"), (604_800, "7d"), (1_209_600, "2w")]
)
def test_a_duration_prints_in_its_largest_unit(duration, text):
    assert duration_text(duration * SECOND_US) == text


def test_ten_years_is_the_longest_duration():
    assert duration_us("a duration", "3650d") == 3650 * DAY_US
    with pytest.raises(sl.DeclarationError, match="up to ten years"):
        duration_us("a duration", "3651d")


@settings(max_examples=300)
@given(durations)
def test_a_default_tile_divides_its_window_and_is_coarse_enough_to_bound_a_state(window_us):
    tile_us = default_tile_us(window_us)
    assert window_us % tile_us == 0
    assert window_us <= 48 * SECOND_US or window_us // tile_us >= 48


@settings(max_examples=300)
@given(durations, durations)
def test_default_tiles_nest_in_one_another(one_us, other_us):
    short, long = sorted([default_tile_us(one_us), default_tile_us(other_us)])
    assert long % short == 0


@pytest.mark.parametrize(
    ("window", "num_tiles"), [("1h", 60), ("1d", 96), ("7d", 168), ("30d", 120), ("90d", 90), ("10s", 10)]
)
def test_usual_windows_are_cut_into_few_tiles(window, num_tiles):
    window_us = duration_us("a window", window)
    assert window_us // default_tile_us(window_us) == num_tiles
