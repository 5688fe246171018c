"""What a fitted model costs: seconds to fit, memory when loaded, bytes on disk, milliseconds a request.

N rows, C candidates of one request, F feature columns.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.surface import Surface
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.models.contract import FittedRanker, Shared
from shortlist.models.retrieval import FittedRetrieval, UserBatch
from shortlist.pipeline.deadline import FILTERS_BY, RANKER_BY
from shortlist.pipeline.funnel import DEFAULT_WIDTH
from shortlist.stages.contract import Query, Source

_WARM_UP, _FEWEST, _MOST = 20, 50, 500
_TIMED_S = 2.0
Fitted = TypeVar("Fitted", FittedRanker, FittedRetrieval)


@dataclass(frozen=True)
class Cost:
    """What a model costs, measured on this machine.

    Attributes:
        fit_s: seconds to fit.
        memory_bytes: what Python and NumPy allocate to load it from disk and answer once, and the arrays
            that it maps from disk; not what a library holds of its own.
        disk_bytes: its files in a release.
        p99_ms: of one request: for a ranker, to score its `Budget`'s candidates; for a source, to propose.
    """

    fit_s: float
    memory_bytes: int
    disk_bytes: int
    p99_ms: float


@dataclass(frozen=True)
class Budget:
    """How long one model of a surface's ranker may take, and at what.

    Attributes:
        ms: at p99, to score the candidates of one request.
        num_candidates: of that request.
        labels: that the surface asks for: one model after the other predicts them.
    """

    ms: float
    num_candidates: int
    labels: tuple[str, ...]


def ranker_budget(surface: Surface, features_ms: float) -> Budget:
    """Return the budget of one model of a surface's ranker, of the p99 of a whole answer.

    Features and rankers must end together by their deadline: each label's model has an equal part of the
    time that the features leave.

    Args:
        surface: with a ranker.
        features_ms: from `features_p99_ms`.
    """
    left_ms = max(0.0, ranking_ms(surface) - features_ms)
    labels = tuple(str(label) for label in surface.value)
    return Budget(left_ms / len(labels), num_candidates(surface), labels)


def num_candidates(surface: Surface) -> int:
    """Return how many candidates a request may bring to a surface's ranker.

    As many as its sources propose together, where each says how many by an `n`; the funnel's width at most.
    """
    proposed = [getattr(source, "n", DEFAULT_WIDTH) for source in surface.sources]
    return min(DEFAULT_WIDTH, sum(proposed))


def ranking_ms(surface: Surface) -> float:
    """Return how long features and rankers of an answer may take together."""
    return (RANKER_BY - FILTERS_BY) * surface.slo.p99_ms


def features_p99_ms(state: OnlineState, encoding: Encoding, num_candidates: int, seed: int = 0) -> float:
    """Measure how long it takes to read the features of one request's candidates.

    Args:
        state: that has folded the log, with a user and an item or more.
        encoding: of the rankers.
        num_candidates: of the request.
        seed: of the requests that are tried.
    """
    random = np.random.default_rng(seed)
    users = random.integers(0, len(state.users), 32).tolist()
    items = [random.integers(0, len(state.items), num_candidates) for _ in users]
    time_us = state.moment(state.last_log_time_us)

    def read(turn: int) -> object:
        place = turn % len(users)
        return state.features(users[place], items[place], time_us, {}, encoding)

    return p99_ms(read)


def ranker_cost(
    fitted: FittedRanker,
    fit_s: float,
    features: NDArray[np.float32],
    num_candidates: int,
    seed: int = 0,
    *,
    others: Sequence[FittedRanker] = (),
) -> Cost:
    """Measure a ranker, loaded from disk as a server loads it.

    Heads of one network are timed together, as a server asks them: it computes their body once a request.
    Each is charged an equal part. That is too little where the network is then chosen for some labels only.

    Args:
        fitted: the ranker.
        fit_s: how long it took to fit.
        features: float32 [N, F], rows to draw candidates from.
        num_candidates: C, of one request.
        seed: of the draw.
        others: the heads of the same network that are asked beside it.
    """
    random = np.random.default_rng(seed)
    requests_CF = [features[random.integers(0, len(features), num_candidates)] for _ in range(32)]
    loaded, memory_bytes, disk_bytes = _loaded(fitted, lambda model: model.predict(requests_CF[0]))
    heads = (loaded, *others)

    def answer(turn: int) -> None:
        shared: Shared = {}
        for head in heads:
            head.predict(requests_CF[turn % len(requests_CF)], shared)

    return Cost(fit_s, memory_bytes, disk_bytes, p99_ms(answer) / len(heads))


def source_p99_ms(propose: Source, queries: Sequence[Query]) -> float:
    """Return the p99 of a source's proposals for some requests."""
    return p99_ms(lambda turn: propose(queries[turn % len(queries)]))


def source_cost(fitted: FittedRetrieval, fit_s: float, propose_p99_ms: float) -> Cost:
    """Measure a source's model, loaded from disk as a server loads it.

    Args:
        fitted: the model.
        fit_s: how long it took to fit.
        propose_p99_ms: of the whole source, from `source_p99_ms`.
    """
    nobody = UserBatch(np.full((1, 1), -1, np.int32))
    _, memory_bytes, disk_bytes = _loaded(fitted, lambda model: model.retrieve(nobody, 1))
    return Cost(fit_s, memory_bytes, disk_bytes, propose_p99_ms)


def p99_ms(answer: Callable[[int], object]) -> float:
    """Return the p99 of a call, in milliseconds: after a warm-up, some hundred times or for some seconds.

    A call counts by the clock; one that was preempted, where the system tells, by its CPU time: what another
    program of a busy machine takes in between is no cost of the model, and must not decide what serves.

    Args:
        answer: what is timed; it is given the number of the turn.
    """
    for turn in range(_WARM_UP):
        answer(turn)
    taken_ms: list[float] = []
    until_s = time.perf_counter() + _TIMED_S
    while len(taken_ms) < _FEWEST or (len(taken_ms) < _MOST and time.perf_counter() < until_s):
        before, started_s, working_s = _num_preempted(), time.perf_counter(), time.process_time()
        answer(len(taken_ms))
        elapsed_s, worked_s = time.perf_counter() - started_s, time.process_time() - working_s
        taken_ms.append(1000 * (elapsed_s if _num_preempted() == before else min(elapsed_s, worked_s)))
    return float(np.quantile(taken_ms, 0.99))


def _num_preempted() -> int:
    """Return how often this process had to give way to another; always 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def machine() -> str:
    """Say where costs were measured."""
    cores = os.cpu_count() or 1
    gibibytes = _memory_bytes() / 2**30
    memory = "" if math.isnan(gibibytes) else f", {gibibytes:.0f} GiB of memory"
    return (
        f"{platform.system()} {platform.machine()}, {cores} CPU cores{memory}, "
        f"Python {platform.python_version()}"
    )


def _memory_bytes() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not every system tells
        return math.nan


def _loaded(fitted: Fitted, answer: Callable[[Fitted], object]) -> tuple[Fitted, int, int]:
    """Save and load a model; return it with the bytes it takes in memory and on disk."""
    # The loaded model maps files of the folder: a system that keeps those from being removed may keep them.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        fitted.save(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        disk_bytes = sum(path.stat().st_size for path in files)
        mapped_bytes = sum(path.stat().st_size for path in files if path.suffix == ".npy")
        answer(type(fitted).load(folder))  # once before, so that what it imports is not counted
        gc.collect()
        is_tracing = tracemalloc.is_tracing()
        tracemalloc.start()
        before_bytes, _ = tracemalloc.get_traced_memory()
        loaded = type(fitted).load(folder)
        answer(loaded)
        gc.collect()
        after_bytes, _ = tracemalloc.get_traced_memory()
        if not is_tracing:
            tracemalloc.stop()
    return loaded, max(0, after_bytes - before_bytes) + mapped_bytes, disk_bytes
