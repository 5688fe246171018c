"""Planted leaks are found, named, with their reason; what was known before is never accused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli.tiny import shortlist as run_shortlist
from offline.planting import declare, planted
from shortlist.cli.project import load_app
from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.leakage.check import check_leakage
from shortlist.recipes.video.app import app
from shortlist.recipes.video.simulated import history_sources
from shortlist.world import World, WorldConfig

COPY, OWN_ROW = "derived from the label", "target statistic with its own row"
TOTAL, LATER = "total of the whole period", "changed after the request"


class Facts:
    """What happened in the shared world, by row of its sources."""

    def __init__(self, history: History, sources: list[HistorySource]) -> None:
        self.rows = history.impressions
        self.good = history.outcomes(history.app.labels["engaged"]).positive.astype(float)
        self.own = {}
        for entity, ids in (("user", history.users), ("video", history.items)):
            (source,) = (one for one in sources if one.kind == entity)
            self.own[entity] = ids.codes([str(one) for one in source.source[source.fields[entity]]])
        self.size = {"user": len(history.users), "video": len(history.items)}

    def total(self, entity: str) -> np.ndarray:
        return np.bincount(self.rows.ids[entity], minlength=self.size[entity]).astype(float)

    def hits(self, entity: str) -> np.ndarray:
        return np.bincount(self.rows.ids[entity], self.good, self.size[entity])


@pytest.fixture(scope="module")
def facts(history, sources) -> Facts:
    return Facts(history, sources)


@pytest.fixture(scope="module")
def columns(facts, history, sources) -> dict[str, dict[str, np.ndarray]]:
    """Leaks and clean columns by what they are of; a clean one's name begins with "clean"."""
    random = np.random.default_rng(0)
    good, videos = facts.good, facts.rows.ids["video"]
    flipped = np.where(random.random(len(good)) < 0.1, 1 - good, good)
    total, hits = facts.total("video"), facts.hits("video")
    mean = hits / np.maximum(total, 1)
    before = np.array([good[:row][videos[:row] == video].sum() for row, video in enumerate(videos)])
    number = np.array([(videos[:row] == video).sum() for row, video in enumerate(videos)])
    context = {
        "copy": flipped,
        "faint_copy": good + random.normal(0, 0.5, len(good)),
        "encoded": mean[videos],
        "running": (before + good) / (number + 1),
        "clean_running": (before + 0.3) / (number + 1),
        "clean_hour": (facts.rows.times_us // 3_600_000_000 % 24).astype(float),
    }
    own = facts.own["video"]
    video = {
        "shown": total[own],
        "shown_about": (total * np.exp(random.normal(0, 0.5, len(total))))[own],
        "good": hits[own],
        "good_share": mean[own],
        "clean_size": random.lognormal(3, 1, len(own)),
    }
    (videos_source,) = (one for one in sources if one.kind == "video")
    topics = np.empty(facts.size["video"], object)
    topics[own] = [str(one) for one in videos_source.source["topic"]]
    last = np.full(facts.size["user"], topics[0], object)
    last[facts.rows.ids["user"]] = topics[videos]
    first = last.copy()
    first[facts.rows.ids["user"][::-1]] = topics[videos[::-1]]
    own = facts.own["user"]
    user = {
        "active": facts.total("user")[own],
        "level": np.floor(np.log2(facts.total("user") + 1))[own],
        "last_topic": last[own],
        "clean_first_topic": first[own],
        "clean_noise": random.normal(size=len(own)),
    }
    return {"context": context, "user": user, "video": video}


EXPECTED = {
    "context.copy": {COPY}, "context.faint_copy": {COPY}, "context.encoded": {OWN_ROW},
    "context.running": {OWN_ROW}, "video.shown": {TOTAL}, "video.shown_about": {TOTAL}, "video.good": {TOTAL},
    "video.good_share": {OWN_ROW}, "user.active": {TOTAL}, "user.level": {TOTAL, LATER},
    "user.last_topic": {LATER},
}  # fmt: skip


def import_planted(folder: Path, sources: list[HistorySource], columns) -> Path:
    path = declare(folder, **columns)
    by_kind = {"impression": columns["context"], "user": columns["user"], "video": columns["video"]}
    with SqliteLog(folder / ".shortlist" / "log", log_schemas(load_app(path))) as log:
        report = log.import_history(planted(sources, by_kind))
    assert report.num_rejected == 0
    return path


@pytest.fixture(scope="module")
def project(sources, columns, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    import_planted(folder, sources, columns)
    return folder


@pytest.fixture(scope="module")
def report(project):
    declared = load_app(project / "app.py")
    with SqliteLog(project / ".shortlist" / "log", log_schemas(declared), read_only=True) as log:
        return check_leakage(declared, log)


def test_every_planted_leak_is_found_and_nothing_else(report):
    assert {finding.column for finding in report.findings} == set(EXPECTED)


@pytest.mark.parametrize("column", EXPECTED)
def test_a_leak_is_named_with_its_reason_and_its_mend(report, column):
    (finding,) = (one for one in report.findings if one.column == column)
    assert finding.kind in EXPECTED[column]
    assert column in finding.features
    assert finding.reason
    assert finding.mend
    assert all(np.isfinite(figure) for figure in finding.evidence.values())


def test_what_was_known_before_was_asked_and_not_accused(report):
    clean = {name for name in report.columns if ".clean" in name}
    assert len(clean) == 5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_simulated_world_is_clean(seed, tmp_path):
    config = WorldConfig(num_users=250, num_videos=500, num_creators=60, num_days=6, seed=seed)
    with SqliteLog(tmp_path, log_schemas(app)) as log:
        log.import_history(history_sources(World(config).history(24_000)))
        report = check_leakage(app, log)
    assert report.findings == ()
    assert "video.duration_s" in report.columns


def test_a_statistic_that_is_dated_is_not_accused(sources, facts, columns, tmp_path):
    """A total up to the middle of the period, brought in as of the middle, was known from then on."""
    middle_us = int(np.median(facts.rows.times_us))
    early = facts.rows.times_us < middle_us
    total = np.bincount(facts.rows.ids["video"][early], minlength=facts.size["video"]).astype(float)
    hour = {"clean_hour": columns["context"]["clean_hour"]}
    noise = {"clean_noise": columns["user"]["clean_noise"]}
    path = declare(tmp_path, hour, noise, {"so_far": total[facts.own["video"]]})
    (videos,) = (one for one in sources if one.kind == "video")
    update = replace(
        videos,
        source=dict(videos.source)
        | {"so_far": total[facts.own["video"]], "time_us": np.full(len(total), middle_us)},
        fields=dict(videos.fields) | {"so_far": "so_far"},
    )
    declared = load_app(path)
    with SqliteLog(tmp_path / "log", log_schemas(declared)) as log:
        log.import_history([*planted(sources, {"impression": hour, "user": noise}), update])
        found = check_leakage(declared, log)
    assert "video.so_far" in found.columns
    assert found.findings == ()


def test_progress_ends_and_a_label_is_wanted(log, tmp_path):
    told: dict[str, tuple[int, int]] = {}
    check_leakage(app, log, progress=lambda step, done, total: told.update({step: (done, total)}))
    assert all(done == total == 1 for done, total in told.values())
    assert "ask each column" in told
    path = tmp_path / "app.py"
    path.write_text('import shortlist as sl\napp = sl.App("bare")\nuser = app.entity("user")\n')
    with pytest.raises(OfflineError, match="expected a label"):
        check_leakage(load_app(path), log)


def written(project: Path) -> tuple[int, set[Path]]:
    """The log's last position, and its files of history."""
    declared = load_app(project / "app.py")
    with SqliteLog(project / ".shortlist" / "log", log_schemas(declared), read_only=True) as log:
        return log.last_seq, set(project.rglob("*.parquet"))


def test_the_verb_prints_the_leaks_and_ends_in_status_1(project, monkeypatch):
    monkeypatch.chdir(project)
    before = written(project)
    said = run_shortlist("check", "--leakage", status=1).output
    assert "Features that know the future" in said
    assert "context.copy" in said
    assert "target statistic" in said
    assert "Declare sl.rate" in said
    assert ".clean" not in said.partition("Features that know the future")[2]
    assert written(project) == before, "nothing is written"


def test_the_verb_says_when_nothing_is_found(sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_shortlist("init")
    with SqliteLog(tmp_path / ".shortlist" / "log", log_schemas(app)) as log:
        log.import_history(sources)
    said = run_shortlist("check", "--leakage").output
    assert "no feature knows the future" in said
    assert "video.duration_s" in said
    assert "24,000 impressions" in said
