"""Moments of the past that a replay asks at: somebody was about to choose something new, and did.

M moments, E events, S log positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.surface import Surface
from shortlist.features.offline import History
from shortlist.features.rows import Rows
from shortlist.features.values import Values
from shortlist.log.protocol import EventLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.positives import choices, wanted_events
from shortlist.offline.splits import Period

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Moments:
    """Requests of the past, each with the item that its user then chose; M of them, in log order.

    Attributes:
        users: who asked, by id.
        items: what they chose, by id.
        groups: int64 [M], the same number for the same user.
        as_of_seqs: int64 [M], the last log position that an answer may know.
        times_us: int64 [M], when they asked.
        contexts: what each request brought, by name.
        num_eligible: of how many such moments these were drawn.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    groups: Ints
    as_of_seqs: Ints
    times_us: Ints
    contexts: tuple[Mapping[str, object], ...]
    num_eligible: int

    def __len__(self) -> int:
        return len(self.users)


def log_times(log: EventLog, upto_seq: int) -> Ints:
    """Return when the log learned of each of its records, int64 [S]; record `seq` stands at `seq` - 1."""
    times_us = np.zeros(upto_seq, np.int64)
    for kind in log.schemas:
        columns = log.scan(kind, [], upto_seq=upto_seq).columns()
        times_us[columns.seq - 1] = columns.log_time_us
    # Log times never fall; a record of a kind that is declared no more has that of the one before it.
    return np.maximum.accumulate(times_us)


def draw_moments(
    history: History,
    times_us: Ints,
    surface: Surface,
    period: Period,
    *,
    num_moments: int,
    seed: int = 0,
) -> Moments:
    """Draw moments of a period at which a user was about to choose an item for the first time.

    What counts is a positive of the surface's labels whose user had no event with its item before the
    period. The moment is just before the first event of the two; or, where the item had been shown in the
    label's window, just before it was shown: the answer must not know the slate that it is compared with.

    Args:
        history: the log, read up to the end of the period or further.
        times_us: from `log_times`.
        surface: whose labels count; for one without, every event between a user and an item does.
        period: when the choices were made.
        num_moments: M at most; of more, so many are drawn.
        seed: of the draw.

    Raises:
        OfflineError: when the log holds no event that the surface wants.
    """
    num_items = len(history.items)
    touched = _first_of_each(_joined(history, choices(history), num_items))
    wanted = _joined(history, [rows for rows, _ in wanted_events(history, surface)], num_items)
    inside = (wanted[2] >= period.start_us) & (wanted[2] < period.end_us)
    pairs_M = np.unique(wanted[0][inside])
    at_M = np.searchsorted(touched[0], pairs_M)
    seqs_M, chosen_us_M = touched[1][at_M], touched[2][at_M]
    window_us = max((label.within_us for label in surface.value), default=0)
    shown_M = _shown_before(history, pairs_M, seqs_M, chosen_us_M - window_us, num_items)
    as_of_M, asked_us_M = _requests(history, times_us, seqs_M, chosen_us_M, shown_M)
    first_seq = int(np.searchsorted(times_us, period.start_us))  # the last record before the period
    eligible = np.flatnonzero((as_of_M >= first_seq) & (chosen_us_M < period.end_us))
    random = np.random.default_rng(seed)
    drawn = random.permutation(eligible)[:num_moments]
    drawn = drawn[np.lexsort((pairs_M[drawn], as_of_M[drawn]))]
    users_M, items_M = pairs_M[drawn] // num_items, pairs_M[drawn] % num_items
    return Moments(
        tuple(history.users.texts(users_M)),
        tuple(history.items.texts(items_M)),
        users_M,
        as_of_M[drawn],
        asked_us_M[drawn],
        tuple(_context(history, int(row)) for row in shown_M[drawn]),
        len(eligible),
    )


def check_num_moments(num_moments: int) -> None:
    """Refuse, before anything is fitted, a number of moments that no interval can come of; 0 is for none.

    Raises:
        OfflineError: when it is 1, or negative.
    """
    if num_moments == 1 or num_moments < 0:
        raise OfflineError(
            "moments to replay",
            expected="0, or 2 and more",
            received=num_moments,
            mend="An interval is of two users or more. Write --requests 1000, or 0 to leave the replay out.",
        )


def check_users(surface: str, moments: Moments) -> int:
    """Return of how many users some moments are, two or more.

    Args:
        surface: the surface's name.
        moments: that were drawn for it.

    Raises:
        OfflineError: when they are of fewer than two users: then there is no interval.
    """
    num_users, num_drawn = len(np.unique(moments.groups)), len(moments)
    if num_users >= 2:
        return num_users
    if num_drawn < moments.num_eligible:
        raise OfflineError(
            f"surface {surface}, replay",
            expected="moments of two users or more",
            received=f"{num_drawn} of {moments.num_eligible} moments drawn, all of one user",
            mend="Draw more: --requests 1000. Or leave the replay out: --requests 0.",
        )
    raise OfflineError(
        f"surface {surface}, replay",
        expected="two users or more who chose something new in the test period",
        received=f"{num_users}, at {num_drawn} moments",
        mend="Log more days, test a larger share, or leave the replay out: --requests 0.",
    )


def _joined(history: History, parts: list[Rows], num_items: int) -> tuple[Ints, Ints, Ints]:
    """Return pairs, log positions and times [E] of events, in log order; a pair is user * I + item."""
    app = history.app
    user, item = app.user_entity.entity_name, app.item_entity.entity_name
    pairs = [rows.ids[user].astype(np.int64) * num_items + rows.ids[item] for rows in parts]
    seqs = np.concatenate([rows.seqs for rows in parts])
    order = np.argsort(seqs, kind="stable")
    return np.concatenate(pairs)[order], seqs[order], np.concatenate([rows.times_us for rows in parts])[order]


def _first_of_each(events: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """Return the first event of each pair, by pair."""
    pairs, first = np.unique(events[0], return_index=True)
    return pairs, events[1][first], events[2][first]


def _shown_before(history: History, pairs_M: Ints, seqs_M: Ints, since_us_M: Ints, num_items: int) -> Ints:
    """Return the row of the last impression of each pair before a position, -1 where none is recent."""
    impressions = history.impressions
    nothing_M = np.full(len(pairs_M), -1, np.int64)
    if impressions is None:
        return nothing_M
    shown, _, times_us = _joined(history, [impressions], num_items)
    kept = np.flatnonzero(np.isin(shown, pairs_M))
    if len(kept) == 0:
        return nothing_M
    number = np.searchsorted(pairs_M, shown[kept])
    # A pair's number and a position in one whole number: both fit in 31 and 32 bits.
    keys = (number << 32) + impressions.seqs[kept]
    order = np.argsort(keys)
    at_M = np.searchsorted(keys[order], (np.arange(len(pairs_M)) << 32) + seqs_M) - 1
    rows_M = kept[order][at_M]
    is_recent = (at_M >= 0) & (shown[rows_M] == pairs_M) & (times_us[rows_M] >= since_us_M)
    return np.where(is_recent, rows_M, nothing_M)


def _requests(
    history: History, times_us: Ints, seqs_M: Ints, chosen_us_M: Ints, shown_M: Ints
) -> tuple[Ints, Ints]:
    """Return what each answer may know, and when it was asked for."""
    impressions = history.impressions
    if impressions is None:
        return seqs_M - 1, chosen_us_M
    as_of, moment = impressions.fields["as_of_seq"], impressions.fields["request_time_us"]
    # An imported impression does not say what its server knew: what was there before its slate was.
    before = np.searchsorted(times_us, impressions.times_us[shown_M])
    as_of_M = np.where(as_of.known[shown_M], as_of.values[shown_M], before)
    asked_us_M = np.where(moment.known[shown_M], moment.values[shown_M], impressions.times_us[shown_M])
    is_shown = shown_M >= 0
    return np.where(is_shown, as_of_M, seqs_M - 1), np.where(is_shown, asked_us_M, chosen_us_M)


def _context(history: History, row: int) -> Mapping[str, object]:
    """Return what the request behind an impression brought; nothing where there was none."""
    impressions = history.impressions
    if row < 0 or impressions is None:
        return {}
    given = {name: impressions.fields[name] for name in history.app.request_context.fields}
    return {name: _plain(values, row) for name, values in given.items() if values.known[row]}


def _plain(values: Values, row: int) -> object:
    found: object = values.values[row].item()
    return found if values.vocabulary is None else values.vocabulary.text(int(values.values[row]))
