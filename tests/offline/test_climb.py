"""The ladder, measured: a rung over the budget is not chosen, and the sheet lies beside the release."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import shortlist as sl
from offline.market import Everything, buys, market, market_log
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.models.contract import RankingModel
from shortlist.models.logistic import FittedLogistic, Logistic
from shortlist.offline.errors import OfflineError
from shortlist.offline.fitting import rank_surfaces
from shortlist.offline.ladder.climb import climb
from shortlist.offline.ladder.contest import affordable
from shortlist.offline.ladder.costs import Cost, ranker_cost
from shortlist.offline.ladder.sheet import sheet_as_dict, sheet_markdown, sheet_tables
from shortlist.offline.progress import Steps
from shortlist.offline.report import verdict
from shortlist.offline.sliced import slices_as_dict, slices_table
from shortlist.offline.train import train
from shortlist.releases import Registry

SLEEP_S = 0.02


class FittedSleeper(FittedLogistic):
    """Knows no more than it must, and takes its time."""

    def log_odds(self, features):
        time.sleep(SLEEP_S)
        return super().log_odds(features)


@dataclass(frozen=True)
class Sleeper(RankingModel):
    """A logistic regression that dawdles."""

    kind = "logistic"

    def fit(self, train, valid, *, seed=0, progress=None):
        fitted = Logistic().fit(train, valid, seed=seed, progress=progress)
        return FittedSleeper(fitted.columns, fitted.intercept, fitted.keys, fitted.values, fitted._spread)


def climbed(app, folder, **settings):
    with market_log(app, folder / "log", buys()) as log:
        registry = Registry(folder / "releases")
        return climb(app, log, registry, num_requests=100, **settings), registry


def ladder_of(*rungs, p99_ms):
    return market(
        sources=[sl.Popular(n=10, half_life="520w"), Everything()],
        ranker=sl.Ladder(*rungs),
        slo=sl.SLO(p99_ms=p99_ms),
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A slow rung below a fast one that is no better: without a budget the slow one would be chosen."""
    app = ladder_of(Sleeper(), sl.Logistic(), p99_ms=50)
    report, registry = climbed(app, tmp_path_factory.mktemp("measured"), is_sliced=True)
    return app, report, registry


def line(report, name):
    (part,) = [part for part in report.sheet.parts if part.label == "liked"]
    return next(one for one in part.lines if one.name == name)


def test_a_rung_over_the_budget_cannot_be_chosen(measured):
    _, report, _ = measured
    (part,) = [part for part in report.sheet.parts if part.label == "liked"]
    assert part.num_candidates == 1000, "one source does not say how many it proposes"
    assert 0 < part.budget_ms < 15.0
    assert "the rest of 12.5 ms" in part.notes[0]
    slow, fast = line(report, "Sleeper"), line(report, "Logistic")
    assert slow.p99_ms >= 1000 * SLEEP_S
    assert (slow.verdict, slow.is_chosen) == ("over budget", False)
    assert fast.is_chosen
    assert "chosen" in fast.verdict


def test_without_a_budget_or_within_it_the_simplest_of_equals_is_chosen(tmp_path):
    app = ladder_of(Sleeper(), sl.Logistic(), p99_ms=60_000)
    fit = {"valid": 0.1, "test": 0.2, "seed": 0, "steps": Steps()}
    with market_log(app, tmp_path, buys()) as log:
        history = History.read(app, log)
        folded = OnlineState(app)
        folded.catch_up(log)
        for state in (None, folded):
            ranked = rank_surfaces(history, log, list(app.surfaces.values()), state=state, **fit)
            (contest,) = ranked.comparisons[0].contests
            assert contest.chosen.name == "Sleeper"
            assert (contest.chosen.cost is None) is (state is None)


def test_where_every_rung_is_over_the_fastest_serves_with_a_warning(measured, tmp_path):
    report, _ = climbed(ladder_of(Sleeper(), p99_ms=50), tmp_path, promote=False)
    (part,) = [part for part in report.sheet.parts if part.label == "liked"]
    assert part.lines[-1].is_chosen
    assert "over budget" in part.lines[-1].verdict
    assert part.notes[1].startswith("WARNING: no rung is within 1")
    _, other, _ = measured
    rungs = other.comparisons[0].contests[0].rungs
    costs = [
        replace(rung, cost=replace(rung.cost, p99_ms=took)) for rung, took in zip(rungs, (9, 7), strict=True)
    ]
    assert affordable(costs, 8) == [costs[1]]
    assert affordable(costs, 6) == [costs[1]]
    assert affordable(costs, 9) == costs


@pytest.mark.parametrize(
    ("took_ms", "said"),
    [
        ((1.0, 9.0), "chosen: those after it are over budget"),
        ((1.0, 1.0), "chosen: none beats it by more than noise"),
        ((9.0, 9.0), "chosen: the fastest, yet over budget"),
    ],
)
def test_a_verdict_claims_no_comparison_that_was_not_made(measured, took_ms, said):
    contest = measured[1].comparisons[0].contests[0]
    first, last = (
        replace(rung, cost=replace(rung.cost, p99_ms=took))
        for rung, took in zip(contest.rungs, took_ms, strict=True)
    )
    seen = replace(contest, contenders=(first, last), comparisons=(), chosen=first, budget_ms=5.0)
    assert verdict(seen, first) == said


def test_every_source_is_judged_by_what_it_found(measured):
    _, report, _ = measured
    part = report.sheet.parts[-1]
    popular, everything, union = part.lines
    assert (everything.quality["recall"].value, union.quality["recall"].value) == (1.0, 1.0)
    assert 0 < popular.quality["recall"].low < popular.quality["recall"].high < 1
    assert popular.cost.disk_bytes > 0
    assert popular.cost.p99_ms == popular.p99_ms > 0
    assert everything.cost is None, "nothing is fitted for it"
    assert everything.p99_ms > 0


def test_the_card_of_the_release_has_the_sheet(measured):
    _, report, registry = measured
    assert registry.current() == report.release
    release = registry.open(report.release)
    markdown = sheet_markdown(report.sheet)
    assert markdown in release.path("card.md").read_text(encoding="utf-8")
    assert release.metadata.sections["sheet"] == json.loads(json.dumps(sheet_as_dict(report.sheet)))
    assert "| Sleeper |" in markdown
    assert report.sheet.machine in markdown


def test_the_sheet_says_the_same_in_a_terminal(measured):
    _, report, _ = measured
    console = Console(width=200, file=StringIO())
    for table, _ in sheet_tables(report.sheet):
        console.print(table)
    printed = console.file.getvalue()
    for part in report.sheet.parts:
        assert part.title in printed
        for one in part.lines:
            (row,) = [row for row in printed.splitlines() if row.split()[:1] == one.name.split()[:1]]
            assert one.verdict in row


def test_slices_add_up_to_the_whole(measured):
    _, report, _ = measured
    (contest,), (sliced,) = report.comparisons[0].contests, report.slices["home"]
    assert sliced.chosen == contest.chosen.name
    plain = json.loads(json.dumps(slices_as_dict(sliced), allow_nan=False))
    bands = plain.keys() & {"popular items", "tail items", "new items"}
    assert len(bands) >= 2
    assert sum(plain[name]["Logistic"]["num_rows"] for name in bands) == len(contest.test_rows)
    console = Console(width=200, file=StringIO())
    console.print(slices_table("home", sliced))
    assert all(name in console.file.getvalue() for name in plain)


def test_training_measures_nothing_and_keeps_its_promise(tmp_path):
    app = ladder_of(sl.Logistic(), p99_ms=50)
    with market_log(app, tmp_path / "log", buys()) as log:
        first, second = (train(app, log, Registry(tmp_path / name)) for name in ("one", "two"))
        card = Registry(tmp_path / "one").open(first.release).path("card.md").read_text(encoding="utf-8")
    assert first.release == second.release
    assert "Trade-offs" not in card


def test_a_surface_without_a_ranker_has_its_sources_judged(tmp_path):
    report, registry = climbed(market(sources=[Everything()], filters=[]), tmp_path)
    (part,) = report.sheet.parts
    assert part.lines[0].quality["recall"].value == 1.0
    assert registry.current() == report.release


def test_sources_need_not_be_judged(tmp_path):
    """A log whose test period is of one user cannot judge them; the release does not depend on it."""
    app = market(sources=[Everything()])
    what = buys()
    late = what.times_us[len(what.times_us) * 3 // 4]
    alone = replace(
        what, users=[user if at < late else "u1" for user, at in zip(what.users, what.times_us, strict=True)]
    )
    with market_log(app, tmp_path / "log", alone) as log:
        registry = Registry(tmp_path / "releases")
        with pytest.raises(OfflineError, match=r"received 1, at .* --requests 0"):
            climb(app, log, registry)
        report = climb(app, log, registry, num_requests=0)
        assert (report.funnels, report.sheet.parts) == ((), ())
        assert registry.current() == report.release
        with pytest.raises(OfflineError, match="0, or 2 and more"):
            climb(app, log, registry, num_requests=1)


def test_costs_are_those_of_the_model_as_it_is_loaded(measured):
    _, report, _ = measured
    contest = report.comparisons[0].contests[0]
    cost = contest.chosen.cost
    assert isinstance(cost, Cost)
    assert cost.disk_bytes > 0
    assert cost.fit_s == contest.chosen.fit_s
    fitted = contest.chosen.fitted
    arrays = sum(array.nbytes for array in (*fitted.keys, *fitted.values))
    assert cost.memory_bytes >= arrays


def test_memory_grows_with_the_model(measured):
    _, report, _ = measured
    small = report.comparisons[0].contests[0].chosen.fitted
    keys, values = [*small.keys[:-1], np.arange(200_000.0)], [*small.values[:-1], np.zeros(200_001)]
    wide = FittedLogistic(small.columns, small.intercept, keys, values, small._spread)
    features = np.zeros((600, len(small.columns)), np.float32)
    costs = [ranker_cost(one, 0.0, features, 500) for one in (small, wide)]
    assert costs[1].memory_bytes - costs[0].memory_bytes > 3_000_000
    assert costs[1].disk_bytes - costs[0].disk_bytes > 3_000_000
