"""Real stages and rankers with real faults: they hang, throw, lie or mumble."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import numpy as np

from shortlist.models.contract import FeatureColumn, FittedRanker
from shortlist.stages.contract import FilterStage, RerankStage, Retrieved, SourceStage


class Broken(RuntimeError):
    """What a broken stage throws."""


@dataclass(frozen=True)
class Gate:
    """A door that calls wait at while it is shut; `num_waiting` counts those who came."""

    is_open: threading.Event = field(default_factory=threading.Event)
    arrivals: list[str] = field(default_factory=list)

    def wait(self) -> None:
        self.arrivals.append(threading.current_thread().name)
        assert self.is_open.wait(60), "a test left its gate shut"


@dataclass(frozen=True)
class HangingSource(SourceStage):
    gate: Gate
    holds_lock: bool = False

    def ready(self, app, fitted, item_codes):
        def propose(query):
            if self.holds_lock:
                with query.state.lock:
                    self.gate.wait()
            self.gate.wait()
            return Retrieved(np.arange(5), np.ones(5, np.float32))

        return propose


@dataclass(frozen=True)
class ThrowingSource(SourceStage):
    error: BaseException = field(default_factory=lambda: Broken("index file is gone"))

    def ready(self, app, fitted, item_codes):
        def propose(query):
            raise self.error

        return propose


@dataclass(frozen=True)
class FixedSource(SourceStage):
    """Proposes what it is told to, right or wrong."""

    items: tuple[int, ...]

    def ready(self, app, fitted, item_codes):
        return lambda query: Retrieved(np.array(self.items, np.int64), np.ones(len(self.items), np.float32))


@dataclass(frozen=True)
class HangingFilter(FilterStage):
    gate: Gate

    def ready(self, app):
        def keep(query, items):
            self.gate.wait()
            return np.ones(len(items), np.bool_)

        return keep


@dataclass(frozen=True)
class ThrowingFilter(FilterStage):
    """Throws for lists shorter than `spares`, so that a fallback list may pass."""

    spares: int = 1_000_000

    def ready(self, app):
        def keep(query, items):
            if len(items) < self.spares:
                raise Broken("no rules loaded")
            return np.ones(len(items), np.bool_)

        return keep


@dataclass(frozen=True)
class MumblingFilter(FilterStage):
    """Gives numbers instead of yes and no."""

    def ready(self, app):
        return lambda query, items: np.arange(len(items))


@dataclass(frozen=True)
class HangingReranker(RerankStage):
    gate: Gate

    def ready(self, app):
        def rerank(query, slate):
            self.gate.wait()
            return slate

        return rerank


@dataclass(frozen=True)
class ThrowingReranker(RerankStage):
    def ready(self, app):
        def rerank(query, slate):
            raise Broken("no topics")

        return rerank


@dataclass(frozen=True)
class SmugglingReranker(RerankStage):
    """Puts a candidate on the slate that no source proposed and no filter saw."""

    item: int

    def ready(self, app):
        def rerank(query, slate):
            return replace(slate, items=np.concatenate([[self.item], slate.items[1:]]))

        return rerank


@dataclass(frozen=True)
class ReversingReranker(RerankStage):
    def ready(self, app):
        return lambda query, slate: slate.ordered(np.arange(len(slate))[::-1])


class FaultyRanker(FittedRanker):
    """Does what its subclass says instead of predicting."""

    kind = "faulty"

    def __init__(self, columns: tuple[FeatureColumn, ...]) -> None:
        self.columns = columns

    def log_odds(self, features):
        raise Broken("weights are gone")

    def importance(self):
        return {}

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError


class HangingRanker(FaultyRanker):
    def __init__(self, columns: tuple[FeatureColumn, ...], gate: Gate) -> None:
        super().__init__(columns)
        self.gate = gate

    def log_odds(self, features):
        self.gate.wait()
        return np.zeros(len(features))


class NaNRanker(FaultyRanker):
    """Predicts by the row's number, and NaN for every `every`-th."""

    def __init__(self, columns: tuple[FeatureColumn, ...], every: int) -> None:
        super().__init__(columns)
        self.every = every

    def log_odds(self, features):
        rows = np.arange(len(features))
        return np.where(rows % self.every == 0, np.nan, rows / 10)
