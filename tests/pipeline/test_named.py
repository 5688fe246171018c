"""Names are short where they can be, and never the same."""

from __future__ import annotations

import shortlist as sl
from shortlist.pipeline.named import stage_names


def test_a_class_that_stands_once_names_its_stage():
    assert stage_names([sl.Popular(n=5), sl.NotSeen()]) == ["Popular", "NotSeen"]


def test_twice_the_class_is_told_apart_by_its_settings():
    assert stage_names([sl.Popular(n=5), sl.Popular(n=9), sl.Popular(n=5)]) == [
        "Popular(n=5, half_life='1d')",
        "Popular(n=9, half_life='1d')",
        "Popular(n=5, half_life='1d') #2",
    ]
