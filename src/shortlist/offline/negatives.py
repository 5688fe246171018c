"""Trials for a log without impressions: each positive beside items that were drawn, not shown.

P positives, D draws a positive, I items, N trials = P * (1 + D).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.labels import Label
from shortlist.features.offline import History, Requests
from shortlist.features.rows import Rows
from shortlist.features.values import Values
from shortlist.log.columns import Strings
from shortlist.log.protocol import EventLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.positives import positives, requests_before
from shortlist.offline.trials import NEVER_US, SAMPLED_LIST, Trials

Draw = Literal["uniform", "popularity"]
_REDRAWS = 5


def sampled_trials(
    history: History,
    log: EventLog,
    labels: Sequence[Label],
    *,
    num_negatives: int = 10,
    max_lists: int = 100_000,
    draw: Draw = "uniform",
    seed: int = 0,
) -> Trials:
    """Make a trial of each positive event, and of items drawn for it, all as of the moment before it.

    A drawn item was in the log by then, is not the positive, and was no earlier positive of the user. The
    positives are held to the same: a user's first of an item that was in the log by then. Otherwise its
    newness, or its having been chosen before, would give the positive away.
    Metrics on such lists compare models with one another, not with figures on real impressions: Krichene
    and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.

    Args:
        history: the log, read.
        log: the same log.
        labels: what to learn; each gives lists of its own.
        num_negatives: D, how many items are drawn for a positive.
        max_lists: of how many positives of a label, at most, trials are made; of more, as many are
            chosen at random. A million trials are enough to learn from, and fit in minutes.
        draw: "uniform" over the items known by then, or "popularity": in proportion to the label's
            positives so far.
        seed: of the draws.

    Raises:
        OfflineError: when no label has an event.
    """
    random = np.random.default_rng(seed)
    first_seqs = _first_seqs(history, log)
    parts = []
    thinned = ""
    for label in labels:
        rows = positives(history, label)
        if rows is not None:
            chosen = _drawable(history, rows, first_seqs)
            if len(chosen) > max_lists:
                thinned = f", {max_lists:,} of {len(chosen):,} positives of {label}"
                chosen = np.sort(random.choice(chosen, max_lists, replace=False))
            parts.append(_lists(history, label, rows, chosen, first_seqs, num_negatives, draw, random))
    if not parts:
        raise OfflineError(
            "log",
            expected=f"impressions, or events that fulfil {', '.join(map(str, labels))}",
            received="neither",
            mend="Import history first (`shortlist import`), or check the labels' conditions.",
        )
    sampling = f"{num_negatives} negatives a positive, drawn by {draw}{thinned}"
    return _merged(parts, [str(label) for label in labels], sampling)


def _first_seqs(history: History, log: EventLog) -> NDArray[np.int64]:
    """Return the log position int64 [I] at which each item first appeared."""
    item = history.app.item_entity.entity_name
    first = np.full(len(history.items), NEVER_US, np.int64)
    for kind, schema in log.schemas.items():
        if item not in schema.fields:
            continue
        columns = log.scan(kind, [item], upto_seq=history.last_seq).columns()
        ids = columns.fields[item]
        assert isinstance(ids, Strings)
        codes = history.items.codes(ids.values)[ids.codes]
        np.minimum.at(first, codes, columns.seq)
    return first


def _drawable(history: History, rows: Rows, first_seqs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that stand on equal terms with items drawn for them, in log order."""
    asked = requests_before(history.app, rows)
    _, first = np.unique(asked.users * len(first_seqs) + asked.items, return_index=True)
    is_first = np.zeros(len(rows), bool)
    is_first[first] = True
    return np.flatnonzero(is_first & (first_seqs[asked.items] < rows.seqs))


def _lists(
    history: History,
    label: Label,
    every: Rows,
    chosen: NDArray[np.int64],
    first_seqs: NDArray[np.int64],
    num_negatives: int,
    draw: Draw,
    random: np.random.Generator,
) -> Trials:
    rows = every.take(chosen)
    asked = requests_before(history.app, rows)
    num_lists = len(rows)
    by_appearance = np.argsort(first_seqs, kind="stable")
    num_known = np.searchsorted(first_seqs[by_appearance], rows.seqs, side="left")
    shape = (num_lists, num_negatives)

    def drawn() -> NDArray[np.int64]:
        chance = random.random(shape)
        if draw == "uniform":
            return by_appearance[(chance * np.maximum(num_known, 1)[:, None]).astype(np.int64)]
        earlier = (chance * np.arange(num_lists)[:, None]).astype(np.int64)
        return asked.items[earlier]

    all_asked = requests_before(history.app, every)
    taken = _Taken(all_asked.users, all_asked.items, every.seqs, len(first_seqs))
    items = drawn()
    for _ in range(_REDRAWS):
        clash = taken.before(asked.users[:, None], items, rows.seqs[:, None])
        if not clash.any():
            break
        items = np.where(clash, drawn(), items)
    kept = ~taken.before(asked.users[:, None], items, rows.seqs[:, None])
    kept = np.concatenate([np.ones((num_lists, 1), bool), kept], axis=1).ravel()
    # The positive stands anywhere in its list, so that the order of the rows tells nothing.
    numbers = np.repeat(np.arange(num_lists), 1 + num_negatives)[kept]
    all_items = np.concatenate([asked.items[:, None], items], axis=1).ravel()[kept]
    outcome = np.tile(np.eye(1, 1 + num_negatives, dtype=np.float32)[0], num_lists)[kept]
    shuffled = np.lexsort((random.random(len(numbers)), numbers))
    numbers, all_items, outcome = numbers[shuffled], all_items[shuffled], outcome[shuffled]
    requests = replace(asked.take(numbers), items=all_items)
    return Trials(
        requests,
        rows.times_us[numbers],
        {label.label_name: outcome},
        {label.label_name: rows.times_us[numbers]},
        numbers,
        np.arange(1, len(numbers) + 1),
        SAMPLED_LIST,
    )


class _Taken:
    """Tells which items a user had as positives up to a log position, that position included."""

    def __init__(
        self, users: NDArray[np.int64], items: NDArray[np.int64], seqs: NDArray[np.int64], num_items: int
    ) -> None:
        self._num_items = num_items
        pairs = users * num_items + items
        self._pairs, first = np.unique(pairs, return_index=True)  # the first is the earliest: log order
        self._seqs = seqs[first]

    def before(
        self, users: NDArray[np.int64], items: NDArray[np.int64], seqs: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        pairs = users * self._num_items + items
        places = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        taken: NDArray[np.bool_] = (self._pairs[places] == pairs) & (self._seqs[places] <= seqs)
        return taken


def _merged(parts: list[Trials], labels: list[str], sampling: str) -> Trials:
    order = np.argsort(np.concatenate([part.times_us for part in parts]), kind="stable")
    offsets = np.cumsum([0, *(int(part.lists.max()) + 1 for part in parts)])

    def merged(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        return np.concatenate(columns)[order]

    def by_label(label: str, name: str, absent: float, dtype: type[np.generic]) -> np.ndarray:
        columns = [getattr(part, name).get(label, np.full(len(part), absent, dtype)) for part in parts]
        return np.concatenate(columns)[order]

    requests = [part.requests for part in parts]
    context = {
        name: Values(
            value.type,
            np.concatenate([one.context[name].values for one in requests])[order],
            np.concatenate([one.context[name].known for one in requests])[order],
            value.vocabulary,
        )
        for name, value in requests[0].context.items()
    }
    return Trials(
        Requests(
            merged([one.users for one in requests]),
            merged([one.items for one in requests]),
            merged([one.as_of_seq for one in requests]),
            merged([one.times_us for one in requests]),
            context,
        ),
        merged([part.times_us for part in parts]),
        {label: by_label(label, "positive", 0.0, np.float32) for label in labels},
        {label: by_label(label, "known_us", NEVER_US, np.int64) for label in labels},
        merged([part.lists + offset for part, offset in zip(parts, offsets, strict=False)]),
        merged([part.places for part in parts]),
        parts[0].list_kind,
        sampling,
    )
