"""A small market whose every choice can be followed by hand, and stages that are easy to foresee."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.stages.contract import FilterStage, Retrieved, SourceStage

HOUR_US = 3_600_000_000
START_US = 1_700_000_000_000_000
NUM_USERS, NUM_ITEMS, NUM_BUYS = 25, 40, 1200


@dataclass(frozen=True)
class Everything(SourceStage):
    """Proposes all that the state knows."""

    def ready(self, app, fitted, item_codes):
        def propose(query):
            items = np.arange(len(query.state.items))
            return Retrieved(items, np.ones(len(items), np.float32))

        return propose


@dataclass(frozen=True)
class Nothing(SourceStage):
    """Proposes nothing, so that the fallback has to stand in."""

    def ready(self, app, fitted, item_codes):
        return lambda query: Retrieved(np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class DropOdd(FilterStage):
    """Drops the items whose number is odd, whoever wants them."""

    def ready(self, app):
        def keep(query, items):
            numbers = [int(text[1:]) for text in query.state.items.vocabulary.texts(items)]
            return np.array(numbers, np.int64) % 2 == 0

        return keep


def market(**settings) -> App:
    """Declare it; `settings` are of its one surface."""
    app = sl.App("market")
    user, item = app.entity("user"), app.entity("item", price=float)
    buy = app.event("buy", user, item, good=bool)
    liked = app.label("liked", buy.good, within="1h")
    app.features(
        sl.count(buy, by=item, window=["1d", "30d"]),
        sl.count(buy, by=user, window="1d"),
        item.price,
    )
    stages = {"sources": [sl.Popular(n=10, half_life="520w")], "filters": [sl.NotSeen()], "k": 5, **settings}
    app.surface("home", value={liked: 1.0}, **stages)
    return app


@dataclass(frozen=True)
class Buys:
    """Purchases in order of time: who, what, good or not, when."""

    users: list[str]
    items: list[str]
    good: list[bool]
    times_us: list[int]

    def before(self, time_us: int) -> Buys:
        count = sum(one < time_us for one in self.times_us)
        return Buys(self.users[:count], self.items[:count], self.good[:count], self.times_us[:count])

    def with_future(self, since_us: int, seed: int) -> Buys:
        """Replace what came since by something else: other users and other items, some never seen."""
        past, random = self.before(since_us), np.random.default_rng(seed)
        times_us = self.times_us[len(past.users) :]
        return Buys(
            past.users + [f"u{random.integers(2 * NUM_USERS)}" for _ in times_us],
            past.items + [f"i{random.integers(2 * NUM_ITEMS)}" for _ in times_us],
            past.good + [bool(random.random() < 0.5) for _ in times_us],
            past.times_us + times_us,
        )


def buys() -> Buys:
    """Purchases of mostly small numbers, one about every half hour; the last items come late."""
    random = np.random.default_rng(7)
    times_us = START_US + np.sort(random.integers(0, 700 * HOUR_US, NUM_BUYS))
    age = np.linspace(0.5, 1.0, NUM_BUYS)
    items = (NUM_ITEMS * age * random.random(NUM_BUYS) ** 2).astype(int)
    users = random.integers(0, NUM_USERS, NUM_BUYS)
    good = random.random(NUM_BUYS) < 0.3 + 0.4 * (items < 10)
    return Buys(
        [f"u{user}" for user in users], [f"i{item}" for item in items], good.tolist(), times_us.tolist()
    )


def market_log(app: App, folder: Path, what: Buys) -> SqliteLog:
    """Write the purchases, after a price for every item that was ever bought in `buys`."""
    log = SqliteLog(folder, log_schemas(app))
    prices = {
        "item": [f"i{number}" for number in range(NUM_ITEMS)],
        "price": [float(number % 7) for number in range(NUM_ITEMS)],
        "time_us": [START_US - 1] * NUM_ITEMS,
    }
    bought = {"user": what.users, "item": what.items, "good": what.good, "time_us": what.times_us}
    log.import_history(
        [
            HistorySource("item", prices, {"item": "item", "price": "price"}, time="time_us"),
            HistorySource("buy", bought, {name: name for name in ("user", "item", "good")}, time="time_us"),
        ]
    )
    return log
