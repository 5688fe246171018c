"""Training from end to end: what is learnt, what is written, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import shortlist as sl
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.models.popularity import Popularity
from shortlist.offline.backtest import backtest
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.errors import OfflineError
from shortlist.offline.ladder.contest import Contender, simplest_unbeaten
from shortlist.offline.report import comparison_as_dict, comparison_tables
from shortlist.offline.train import train
from shortlist.recipes.video.app import app
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents


def test_models_beat_popularity_and_popularity_beats_nothing_known(trained):
    (comparison,) = trained.comparisons
    for contest in comparison.contests:
        gauc = {contender.name: contender.score.gauc for contender in contest.contenders}
        assert gauc["Rate"].value == 0.5
        assert gauc["ItemRate"].low > 0.5
        for model in ("Logistic", "BoostedTrees"):
            assert gauc[model].value > gauc["ItemRate"].value + 0.03, contest.label
    values = comparison.values
    assert values["chosen"].lift.low > values["ItemRate"].lift.value > values["Rate"].lift.high


def test_the_choice_is_a_rung_and_follows_from_what_was_compared(trained):
    for contest in trained.comparisons[0].contests:
        assert [rung.name for rung in contest.rungs] == ["Logistic", "BoostedTrees"]
        beaten = contest.comparisons[0].is_beaten
        assert contest.chosen.name == ("BoostedTrees" if beaten else "Logistic")


def test_the_release_serves_what_was_judged(trained, registry, log, history):
    assert trained.is_promoted
    assert registry.current() == trained.release
    release = registry.open(trained.release, expected_fingerprint=app.fingerprint())
    loaded = load_contents(release.folder, app)["home"]
    assert list(loaded.item_ids) == history.items.texts()
    trials = read_trials(history, log, list(app.labels.values()))
    dataset = make_dataset(history, trials, trained.split.train)
    assert loaded.encoding.categories == dataset.encoding.categories
    for contest in trained.comparisons[0].contests:
        predicted = loaded.rankers[contest.label].predict(dataset.features[contest.test_rows])
        np.testing.assert_array_equal(predicted, contest.chosen.probabilities)
    assert loaded.retrieval.keys() == {0, 1}
    assert loaded.popularity.top(5)[0].tolist() == loaded.retrieval[1].top(5)[0].tolist()


def test_the_manifest_says_what_was_done(trained, registry):
    metadata = registry.open(trained.release).metadata
    assert metadata.as_of_seq == trained.as_of_seq
    assert metadata.data.num_examples == 24_000
    assert [field.name for field in metadata.features] == [
        name for name in app.read_features() if not name.startswith("last(")
    ]
    chosen = [name for name in metadata.metrics if name.endswith("(chosen)")]
    assert len(chosen) == len(app.surfaces["home"].value)
    assert metadata.sections["comparisons"][0]["labels"]["engaged"]["models"]["Logistic"]["auc"] > 0.5
    assert any("engaged: " in stage for stage in metadata.stages["home"])
    card = (registry.open(trained.release).path("card.md")).read_text()
    assert "home/engaged/ItemRate" in card


@pytest.fixture(scope="module")
def again(log, tmp_path_factory):
    """The same training once more, not promoted: the registry, the report, and what was told meanwhile."""
    registry, told = Registry(tmp_path_factory.mktemp("again")), {}

    def tell(step: str, done: int, total: int) -> None:
        told.setdefault(step, []).append((done, total))

    return registry, train(app, log, registry, promote=False, progress=tell), told


def test_the_same_log_and_seed_give_the_same_release(trained, again):
    registry, report, _ = again
    assert report.release == trained.release
    assert registry.current() is None
    assert not report.is_promoted
    ours, theirs = (
        [comparison_as_dict(one, is_timed=False) for one in one_report.comparisons]
        for one_report in (trained, report)
    )
    assert ours == theirs


def test_progress_names_every_step_and_its_seconds(again, log):
    _, report, told = again
    assert list(told) == list(report.seconds)
    assert all(calls[-1] == (1, 1) for calls in told.values())
    assert told["read the log"][-2] == (log.last_seq, log.last_seq)
    assert any(0 < done < total for done, total in told["fit engaged: BoostedTrees"])


def test_a_backtest_rolls_through_the_log(log, trained):
    report = backtest(app, log, num_folds=2, test=0.2, num_requests=50)
    first, second = report.folds
    assert second.split == trained.split
    assert first.split.test.end_us == second.split.test.start_us
    ours = [comparison_as_dict(one, is_timed=False) for one in second.comparisons]
    assert ours == [comparison_as_dict(one, is_timed=False) for one in trained.comparisons]
    assert [fold.funnels[0].num_moments for fold in report.folds] == [50, 50]
    plain = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert 0 < plain["folds"][1]["funnels"][0]["union_recall"][0] < 1
    assert plain["folds"][0]["surfaces"][0]["labels"]["liked"]["models"]["Logistic"]["fit_s"] > 0


def test_the_tables_show_every_model_and_the_verdict(trained):
    console = Console(width=160, file=StringIO())
    for table in comparison_tables(trained.comparisons[0]):
        console.print(table)
    printed = console.file.getvalue()
    for expected in ("Rate", "ItemRate", "Logistic", "BoostedTrees", "chosen", "as logged", "a random order"):
        assert expected in printed
    chosen = trained.comparisons[0].contests[0].chosen
    assert f"{chosen.score.auc:.4f}" in printed


def contender(name: str, probabilities: np.ndarray) -> Contender:
    return Contender(name, name, None, 0.0, None, probabilities)


def test_the_simplest_rung_that_none_beats_by_more_than_noise_is_chosen():
    random = np.random.default_rng(0)
    truth = random.random(6_000)
    labels = (random.random(6_000) < truth).astype(np.float32)
    users = np.arange(6_000) % 300
    poor = contender("poor", np.full(6_000, 0.5))
    good = contender("good", truth.clip(0.01, 0.99))
    twin = contender("twin", (truth + random.normal(0, 0.002, 6_000)).clip(0.01, 0.99))
    assert simplest_unbeaten([poor, good, twin], labels, users)[0] is good
    assert simplest_unbeaten([good, poor], labels, users)[0] is good
    chosen, compared = simplest_unbeaten([poor, twin], labels, users)
    assert chosen is twin
    assert [(one.simpler, one.stronger, one.is_beaten) for one in compared] == [("poor", "twin", True)]


def with_events(sources, tmp_path, keep):
    """A log of the world with some of its events left out."""
    log = SqliteLog(tmp_path / "log", log_schemas(app))
    if kept := [changed for source in sources if (changed := keep(source)) is not None]:
        log.import_history(kept)
    return log


def only(source, mask):
    columns = {name: np.asarray(values)[mask] for name, values in source.source.items()}
    return replace(source, source=columns)


def test_an_empty_log_is_refused(sources, tmp_path):
    with (
        with_events(sources, tmp_path, lambda source: None) as log,
        pytest.raises(OfflineError, match=r"an empty log.*shortlist import"),
    ):
        train(app, log, Registry(tmp_path / "releases"))


def test_a_log_of_attributes_alone_is_refused(sources, tmp_path):
    keep = lambda source: source if source.kind in ("user", "video") else None  # noqa: E731
    with (
        with_events(sources, tmp_path, keep) as log,
        pytest.raises(OfflineError, match="expected impressions, or events that fulfil engaged, liked"),
    ):
        train(app, log, Registry(tmp_path / "releases"))


def test_a_label_without_a_positive_is_named(sources, tmp_path):
    keep = lambda source: None if source.kind == "like" else source  # noqa: E731
    with (
        with_events(sources, tmp_path, keep) as log,
        pytest.raises(OfflineError, match=r"label liked: .*received 0 positives of \d+ trials.*condition"),
    ):
        train(app, log, Registry(tmp_path / "releases"))


def test_a_log_shorter_than_the_labels_window_is_refused(sources, tmp_path):
    end_us = int(sources[2].source["time_us"][0]) + 20 * 3_600_000_000
    keep = lambda source: only(source, np.asarray(source.source["time_us"]) < end_us)  # noqa: E731
    with (
        with_events(sources, tmp_path, keep) as log,
        pytest.raises(
            OfflineError, match=r"split: expected trials whose outcomes were settled .*log more days"
        ),
    ):
        train(app, log, Registry(tmp_path / "releases"))


def test_a_label_that_is_always_positive_is_named(tmp_path):
    one = sl.App("one")
    user, video = one.entity("user"), one.entity("video")
    watch = one.event("watch", user, video)
    fine = one.label("fine", watch, within="1h")
    one.features(sl.count(watch, by=video, window="1d"))
    one.surface("home", sources=[sl.Popular()], ranker=sl.Logistic(), value={fine: 1.0})
    with SqliteLog(tmp_path / "log", log_schemas(one)) as short:
        short.import_history([hourly("impression"), hourly("watch", after_us=1_000_000)])
        with pytest.raises(OfflineError, match=r"label fine: .*received (\d+) positives of \1 trials"):
            train(one, short, Registry(tmp_path / "releases"))


def hourly(kind: str, after_us: int = 0) -> HistorySource:
    """One event an hour, of a few users and videos in turn."""
    columns = {
        "user": [f"u{row % 9}" for row in range(200)],
        "video": [f"v{row % 7}" for row in range(200)],
        "time_us": [1_700_000_000_000_000 + row * 3_600_000_000 + after_us for row in range(200)],
    }
    return HistorySource(kind, columns, {"user": "user", "video": "video"}, time="time_us")


def test_a_ladder_of_something_else_is_refused(tmp_path):
    odd = sl.App("odd")
    user, video = odd.entity("user"), odd.entity("video")
    watch = odd.event("watch", user, video)
    seen = odd.label("seen", watch, within="1h")
    odd.features(sl.count(watch, by=video, window="1d"))
    odd.surface("home", sources=[sl.Popular()], ranker=Popularity(), value={seen: 1.0})
    with SqliteLog(tmp_path / "log", log_schemas(odd)) as log:
        log.import_history([hourly("watch")])
        with pytest.raises(OfflineError, match=r"surface home, ranker: expected ranking models"):
            train(odd, log, Registry(tmp_path / "releases"))


def test_a_surface_without_a_ranker_trains_its_sources(log, tmp_path):
    plain = sl.App("video")
    user = plain.entity("user", country=str, adult=bool)
    video = plain.entity(
        "video", creator=str, topic=str, title=str, duration_s=float, explicit=bool, published=sl.Time
    )
    plain.event("watch", user, video, watch_s=float)
    plain.event("like", user, video)
    plain.surface("home", sources=[sl.Popular(n=10), sl.ItemToItem(n=10)])
    registry = Registry(tmp_path)
    report = train(plain, log, registry)
    assert report.split is None
    loaded = load_contents(registry.open(report.release).folder, plain)["home"]
    assert loaded.rankers == {}
    assert loaded.retrieval[0].counts.sum() > 0


def test_an_app_without_a_surface_is_refused(log, tmp_path):
    bare = sl.App("bare")
    bare.event("watch", bare.entity("user"), bare.entity("video"))
    with pytest.raises(OfflineError, match="a surface to train for"):
        train(bare, log, Registry(tmp_path))
    with pytest.raises(OfflineError, match="a surface to judge"):
        backtest(bare, log)
