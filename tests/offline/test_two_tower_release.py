"""Two towers from the log to an answer: trained, released, loaded, and asked for an item of later."""

from __future__ import annotations

import math

import pytest

import shortlist as sl
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log import Event, SqliteLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.train import train
from shortlist.pipeline.funnel import Funnel
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents
from stages.town import Town, past, query


def test_a_release_proposes_what_came_after_it(tmp_path):
    town = Town()
    surface = town.surface(sl.TwoTower(n=1000, history=5), k=200)
    app, registry = town.app, Registry(tmp_path / "releases")
    with SqliteLog(tmp_path / "log", log_schemas(app)) as log:
        log.append([Event(record.kind, dict(record.fields)) for record in past()])
        release = registry.open(train(app, log, registry).release, app.fingerprint())
        state = OnlineState(app)
        state.catch_up(log)
        artifacts = load_contents(release.folder, app)[surface.surface_name]
        funnel = Funnel.build(app, surface, artifacts, state)

        def shown() -> list[str]:
            answer = funnel.recommend(query(state, k=200), budget_ms=math.inf)
            assert not answer.degraded
            return state.items.vocabulary.texts(answer.items.tolist())

        before = shown()
        log.append([Event("video", {"video": "new", "topic": "cats", "duration_s": 60.0})])
        log.append([Event("watch", {"user": "u1", "video": before[0], "watch_s": 9.0})])
        state.catch_up(log)
        after = shown()
    (index,) = release.metadata.sections["indexes"]
    assert (index["surface"], index["model"]) == (surface.surface_name, "two_towers")
    assert (index["name"], index["recall@1000"]) == ("exact", 1.0)
    assert "## Vector indexes" in (release.folder / "card.md").read_text()
    assert len(before) > 100
    assert "new" in after
    assert before[0] not in after


def test_an_index_that_fits_no_budget_stops_training(tmp_path):
    town = Town()
    town.surface(sl.TwoTower(n=10, history=5), slo=sl.SLO(index_mb=0.0001))
    with SqliteLog(tmp_path / "log", log_schemas(town.app)) as log:
        log.append([Event(record.kind, dict(record.fields)) for record in past()])
        with pytest.raises(
            OfflineError,
            match=r"slo: expected an index_mb that an index of TwoTowers.* fits in, "
            r"received 0.0001. Write 1 or more",
        ):
            train(town.app, log, Registry(tmp_path / "releases"))
