"""Why is this here, and why is that not."""

from __future__ import annotations

import pytest

import shortlist as sl
from pipeline import misbehaving as bad
from pipeline.workshop import workshop


@pytest.fixture(scope="module")
def shop():
    # v0 to v39 in this order; only the first 30 may pass
    return workshop(
        lambda town: [
            bad.FixedSource(tuple(range(40))),
            sl.NotSeen(n=5),
            sl.Where(~town.video.explicit),
            sl.AtMost(1, per=town.video.topic),
            sl.AtMost(1, per=town.video.creator),
        ],
        width=30,
    )


@pytest.fixture(scope="module")
def ways(shop):
    asked = shop.query(k=6)
    return asked, {f"v{number}": shop.funnel.why_not(asked, f"v{number}") for number in range(45)}


def test_what_is_shown_is_said_to_be(shop, ways):
    asked, found = ways
    shown = shop.names(shop.funnel.recommend(asked).items)
    assert {item for item, why in found.items() if why.outcome == "shown"} == set(shown)
    first = found[shown[0]]
    assert first.position == 1
    assert first.sources == ("FixedSource",)
    assert str(first).startswith(f"{shown[0]}: shown at 1")
    assert str(first).endswith("proposed by FixedSource")


def test_every_outcome_agrees_with_the_trace(shop, ways):
    asked, found = ways
    trace = {one.stage: one for one in shop.funnel.recommend(asked).trace.stages}
    for name in ("NotSeen", "Where"):
        removed = [why for why in found.values() if (why.outcome, why.stage) == ("removed", name)]
        assert len(removed) == trace[name].removed["removed"] > 0
        assert removed[0].reason == f"{removed[0].item}: removed by {name}"
    for outcome, numbers in (("cut", range(30, 40)), ("not proposed", range(40, 45))):
        found_so = {item for item, why in found.items() if why.outcome == outcome}
        assert found_so == {f"v{number}" for number in numbers}


def test_ranked_too_low_or_put_down_by_a_rule(ways):
    _, found = ways
    ranked = [why for why in found.values() if why.outcome == "ranked"]
    demoted = [why for why in found.values() if why.outcome == "demoted"]
    assert ranked
    assert demoted
    assert all(why.rank > 6 for why in ranked)
    assert all(why.rank <= 6 < why.position for why in demoted)
    assert {why.stage for why in demoted} <= {
        "AtMost(num=1, per=video.topic)",
        "AtMost(num=1, per=video.creator)",
    }
    assert demoted[0].stage in demoted[0].reason


def test_what_the_log_never_saw(shop):
    why = shop.funnel.why_not(shop.query(), "v999")
    assert (why.outcome, why.reason) == ("unknown", "v999: the log has no record of it")


def test_a_fallback_says_so():
    shop = workshop(lambda town: [bad.ThrowingSource()])
    asked = shop.query(k=3)
    item = shop.names(shop.funnel.recommend(asked).items)[1]
    assert shop.funnel.why_not(asked, item).reason == f"{item}: shown at 2, proposed by the fallback"


def test_a_draw_is_found_again():
    shop = workshop(lambda town: [bad.FixedSource(tuple(range(40))), sl.Explore(slots=3)])
    for seed in range(5):
        asked = shop.query(k=9, seed=seed)
        answer = shop.funnel.recommend(asked)
        drawn = shop.names(answer.items[answer.propensities < 1])
        for item in drawn:
            why = shop.funnel.why_not(asked, item)
            assert why.outcome == "shown"
            assert why.rank > 6
