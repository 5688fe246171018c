"""From a log to a stranger's answer: what each segment likes is learned, published, loaded and shown."""

from __future__ import annotations

import numpy as np
import pytest

import shortlist as sl
from offline.market import HOUR_US, START_US, Nothing
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.models.segment_popularity import PRIOR
from shortlist.offline.train import train
from shortlist.pipeline.funnel import Funnel
from shortlist.recipes.video.app import app as video_app
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents
from shortlist.stages.contract import Query

NUM_USERS, NUM_ITEMS, NUM_BUYS = 90, 12, 1500
COUNTRIES = ["NL", "DE", "LU", None]
"""Of the users in turn, but LU of three alone."""


def shop(**settings) -> sl.App:
    app = sl.App("shop")
    user, item = app.entity("user", country=str, member=bool), app.entity("item")
    app.event("buy", user, item)
    segment = {name: user.attributes[one] for name, one in settings.items()}
    app.surface("home", sources=[Nothing(), sl.Popular(n=10, half_life="520w")], k=5, **segment)
    app.surface("stranger", sources=[Nothing()], k=5, **segment)
    return app


def country(user: int) -> str | None:
    return "LU" if user < 3 else COUNTRIES[[0, 1, 3][user % 3]]


@pytest.fixture(scope="module")
def buys() -> list[tuple[int, int]]:
    """Users and items: everybody likes the first items, and each country one of its own."""
    random = np.random.default_rng(11)
    users = random.integers(0, NUM_USERS, NUM_BUYS)
    favourite = np.array([{"NL": 7, "DE": 8, "LU": 9, None: 10}[country(user)] for user in users])
    is_own = random.random(NUM_BUYS) < 0.3
    items = np.where(is_own, favourite, (NUM_ITEMS * random.random(NUM_BUYS) ** 3).astype(int))
    return list(zip(users.tolist(), items.tolist(), strict=True))


def log_of(app: sl.App, folder, buys) -> SqliteLog:
    log = SqliteLog(folder, log_schemas(app))
    users = {
        "user": [f"u{user}" for user in range(NUM_USERS)] + ["newcomer", "stranger"],
        "country": [country(user) for user in range(NUM_USERS)] + ["DE", "LU"],
        "member": [user % 2 == 0 for user in range(NUM_USERS)] + [True, None],
        "time_us": [START_US] * (NUM_USERS + 2),
    }
    bought = {
        "user": [f"u{user}" for user, _ in buys],
        "item": [f"i{item}" for _, item in buys],
        "time_us": [START_US + place * HOUR_US // 10 for place in range(1, len(buys) + 1)],
    }
    log.import_history(
        [
            HistorySource(
                "user", users, {name: name for name in ("user", "country", "member")}, time="time_us"
            ),
            HistorySource("buy", bought, {"user": "user", "item": "item"}, time="time_us"),
        ]
    )
    return log


def trained(app: sl.App, folder, buys):
    """Train, and load what was published; the state is caught up with the log."""
    with log_of(app, folder / "log", buys) as log:
        registry = Registry(folder / "releases")
        report = train(app, log, registry)
        state = OnlineState(app)
        state.catch_up(log)
    release = registry.open(report.release, expected_fingerprint=app.fingerprint())
    return load_contents(release.folder, app), state, report


def top_of(buys, users: set[int], half_life_days: float) -> list[str]:
    """Order items by the share that some users gave them, smoothed towards everybody's."""
    left = [0.5 ** ((len(buys) - place) / 10 / 24 / half_life_days) for place in range(1, len(buys) + 1)]

    def count(item: int, among) -> float:
        return sum(
            part for (user, bought), part in zip(buys, left, strict=True) if bought == item and user in among
        )

    scores = [
        count(item, users) + PRIOR * count(item, range(NUM_USERS)) / sum(left) for item in range(NUM_ITEMS)
    ]
    return [f"i{item}" for item in sorted(range(NUM_ITEMS), key=lambda item: -scores[item])]


def test_a_newcomer_is_shown_what_the_country_buys(buys, tmp_path):
    app = shop(segment="country")
    loaded, state, report = trained(app, tmp_path, buys)
    assert "fit home: SegmentPopularity" in report.seconds
    lists = loaded["home"].segments.lists()
    assert set(lists) == {"NL", "DE"}  # three users are too few, and no country is none

    def ask(user: str):
        funnel = Funnel.build(app, app.surfaces["stranger"], loaded["stranger"], state)
        code = state.users.vocabulary.code(user)
        answer = funnel.recommend(Query(code, 5, state.moment(0), {}, 0, state), budget_ms=float("inf"))
        return state.items.vocabulary.texts(answer.items), answer.degraded

    items, degraded = ask("newcomer")
    assert degraded == ("no candidates: the most popular in country=DE instead",)
    germans = {user for user in range(NUM_USERS) if country(user) == "DE"}
    assert items == top_of(buys, germans, half_life_days=1)[:5]
    for user in ("stranger", "nobody knows"):
        assert ask(user)[1] == ("no candidates: the most popular instead",)


def test_the_lists_age_as_the_surfaces_own_popularity_does(buys, tmp_path):
    loaded, _, _ = trained(shop(segment="member"), tmp_path, buys)
    home = loaded["home"]
    lists = {
        name: [home.item_ids[item] for item in items.tolist()]
        for name, items in home.segments.lists().items()
    }
    assert set(lists) == {"true", "false"}
    for name, is_member in (("true", True), ("false", False)):
        members = {user for user in range(NUM_USERS) if (user % 2 == 0) == is_member}
        assert lists[name] == top_of(buys, members, half_life_days=3640)


def test_without_a_segment_nothing_is_learned(buys, tmp_path):
    loaded, _, report = trained(shop(), tmp_path, buys)
    assert loaded["home"].segments is None
    assert not any("Segment" in step for step in report.seconds)


def test_the_lists_of_the_video_world_are_of_its_countries(trained, registry, history):
    release = registry.open(trained.release, expected_fingerprint=video_app.fingerprint())
    segments = load_contents(release.folder, video_app)["home"].segments
    assert segments.segments
    table = history.tables["user"]
    countries = table.vocabularies["country"].texts()
    num_users = np.bincount(table.stored("country", np.arange(len(table))), minlength=len(countries))
    assert segments.segments[0] == countries[int(num_users.argmax())]
    assert len({tuple(items.tolist()) for items in segments.lists().values()}) == len(segments.segments)
