"""Which items the conditions of a surface let pass, known before a search: so it finds n that do.

What conditions say of the items depends on a user only by the attributes of users that they read: all users
in whom these are the same are of one kind. For every kind that asked lately there is a bitmap. It is made,
and kept in step with the items, by `refresh`, never by a request: for a kind whose bitmap is not there yet
everything is searched, as if there were none.

The filters look at every candidate afterwards. So a bitmap that is a moment old costs recall, never safety.

I items of the release, J items of the state, P codes asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from shortlist.background import pieces
from shortlist.declare.app import App
from shortlist.declare.expressions import Attribute, Column, ContextField, Expression, Operation
from shortlist.declare.surface import Surface
from shortlist.features.evaluate import evaluate
from shortlist.features.online import OnlineState
from shortlist.features.values import ARRAY_TYPES, Values
from shortlist.index.allowed import Allowed
from shortlist.stages.contract import Items, Query
from shortlist.stages.filters.where import Where
from shortlist.stages.near_history import numbers_in, numbers_of_codes

MOST_KINDS = 24
"""Kinds whose bitmaps are kept; the one that has not asked for longest goes first."""

NEARLY_ALL = 0.8
"""Where more of the release's items pass, all are searched: what is dropped afterwards is little."""

_MADE_AT_ONCE = 2  # bitmaps, so that users who are all of different kinds do not keep a processor busy
_ROOM = 1 << 16  # items that may come before the next refresh; they pass
_AT_ONCE = 1 << 14  # items looked at while the state waits
_PATIENCE_S = 1.0  # a stage that hangs may hold the state; whoever refreshes has more to do than to wait
_FEW = 0.25  # where fewer pass, a search may look at each of them, and so they are listed

_Kind = tuple[bytes, ...]


class Eligible:
    """The bitmaps of one surface and one release; any thread asks, one refreshes.

    Of a condition `a & b` that reads the request's context in `b`, `a` counts here.

    Args:
        app: the declaration.
        conditions: of the surface's filters; a candidate must meet all.
        item_codes: int64 [I], the code in the state of each of the release's items; -1 for one that the
            state has never seen, which does not pass.
    """

    def __init__(self, app: App, conditions: Sequence[Expression], item_codes: Items) -> None:
        self._item = app.item_entity
        parts = chain.from_iterable(_conjuncts(condition) for condition in conditions)
        self._conditions = [part for part in parts if self._is_of_items(part)]
        columns = chain.from_iterable(condition.columns() for condition in self._conditions)
        self._of_users = [column for column in dict.fromkeys(columns) if not self._is_item(column)]
        self._codes_I, self._number_of_code = item_codes, numbers_of_codes(item_codes)
        self._num_known = max(1, int(np.count_nonzero(item_codes >= 0)))
        self._lock = threading.Lock()
        self._asked: dict[_Kind, None] = {}  # who has not asked for longest comes first
        self._passing: dict[_Kind, Allowed] = {}
        self._as_of = (0, 0)  # items of the state, and their updates, that `_passing` counts in
        self._allowed: dict[_Kind, Allowed | None] = {}

    @classmethod
    def of(cls, app: App, surface: Surface, item_codes: Items) -> Eligible | None:
        """Take the conditions of a surface's `Where` filters; None when none of them can guide a search."""
        # A class of somebody's own may keep what its condition does not.
        conditions = [stage.condition for stage in surface.filters if type(stage) is Where]
        eligible = cls(app, conditions, item_codes)
        return eligible if eligible._conditions else None

    def allowed(self, query: Query) -> Allowed | None:
        """Return what passes for a query, see `Query.allowed`; None where everything is to be searched."""
        users, user = query.state.users, np.array([query.user], np.int64)
        kind = tuple(users.stored(column.name, user).tobytes() for column in self._of_users)
        with self._lock:
            self._asked.pop(kind, None)
            self._asked[kind] = None
            if len(self._asked) > MOST_KINDS:
                del self._asked[next(iter(self._asked))]
        return self._allowed.get(kind)

    def succeed(self, earlier: Eligible, state: OnlineState) -> None:
        """Make the bitmaps for whoever asked an earlier one of the same surface, before they ask here."""
        with earlier._lock:
            kinds = dict(earlier._asked)
        with self._lock:
            self._asked = kinds
        for _ in range(0, len(kinds), _MADE_AT_ONCE):
            self.refresh(state)

    def refresh(self, state: OnlineState) -> None:
        """Follow what changed in the items, and make some of the bitmaps that were asked for.

        Where the state cannot be had everything stays as it is.
        """
        with suppress(TimeoutError):
            self._refresh(state)

    def _refresh(self, state: OnlineState) -> None:
        with self._lock:
            kinds = [*self._asked]
        passing = {kind: self._passing[kind] for kind in kinds if kind in self._passing}
        missing = [kind for kind in reversed(kinds) if kind not in passing][:_MADE_AT_ONCE]
        with _held(state):  # so no update is halfway through
            as_of = num_seen, _ = (len(state.items), state.items.num_updates)
        if passing and as_of != self._as_of:
            changed = self._changed(state, num_seen)
            passing = {kind: self._followed(state, kind, one, changed) for kind, one in passing.items()}
        passing |= {kind: self._made(state, kind, num_seen) for kind in missing}
        allowed = {
            kind: self._allowed[kind] if one is self._passing.get(kind) else self._pushed_down(one)
            for kind, one in passing.items()
        }
        self._passing, self._as_of, self._allowed = passing, as_of, allowed

    def _is_item(self, column: Column) -> bool:
        return isinstance(column, Attribute) and column.entity is self._item

    def _is_of_items(self, condition: Expression) -> bool:
        """Tell whether a condition reads items, and nothing of which there is more than users and items."""
        columns = list(condition.columns())
        return any(map(self._is_item, columns)) and not any(isinstance(one, ContextField) for one in columns)

    def _made(self, state: OnlineState, kind: _Kind, num_seen: int) -> Allowed:
        num_items = len(self._codes_I)
        mask = np.ones(num_items + num_seen + _ROOM, np.bool_)
        mask_J = mask[num_items : num_items + num_seen]
        mask_J[:] = self._passes(state, kind, np.arange(num_seen))
        passes = np.append(mask_J, False)  # at the end, where code -1 finds it
        for some in pieces(num_items, _AT_ONCE):
            mask[some] = passes[self._codes_I[some]]
        return Allowed.of(mask)

    def _followed(self, state: OnlineState, kind: _Kind, passing: Allowed, changed: Items) -> Allowed:
        """Return a bitmap with the items that changed or came as they are now; the same one if it held."""
        passes = self._passes(state, kind, changed)
        behind = len(self._codes_I) + changed
        is_full = int(behind.max()) + _ROOM // 2 > 8 * len(passing.bits)
        if not is_full and np.array_equal(passing.has(behind), passes):
            return passing
        mask = passing.mask.copy()
        if is_full:
            mask = np.append(mask, np.ones(len(changed) + _ROOM, np.bool_))
        mask[behind] = passes
        numbers = numbers_in(self._number_of_code, changed)
        mask[numbers[numbers >= 0]] = passes[numbers >= 0]
        return Allowed.of(mask)

    def _pushed_down(self, passing: Allowed) -> Allowed | None:
        """Return a bitmap with all that a search reads of it counted; None where nearly everything passes."""
        of_release = passing.below(len(self._codes_I))
        share = of_release.num_items / self._num_known
        if share > NEARLY_ALL:
            return None
        if share < _FEW:
            _ = of_release.items
        return passing

    def _changed(self, state: OnlineState, num_seen: int) -> Items:
        """Return the codes, ascending, of the items that came or were updated since the last refresh."""
        num_then, num_updates = self._as_of
        changed = []
        for some in pieces(num_then, _AT_ONCE):
            codes = np.arange(some.start, some.stop)
            changed.append(codes[state.items.changed_since(num_updates, codes)])
        return np.concatenate([*changed, np.arange(num_then, num_seen)])

    def _passes(self, state: OnlineState, kind: _Kind, codes_P: Items) -> NDArray[np.bool_]:
        """Return for which items all conditions hold now, bool [P]."""
        passes_P = np.empty(len(codes_P), np.bool_)
        for some in pieces(len(codes_P), _AT_ONCE):
            with _held(state):
                passes_P[some] = self._passes_now(state, kind, codes_P[some])
        return passes_P

    def _passes_now(self, state: OnlineState, kind: _Kind, codes_P: Items) -> NDArray[np.bool_]:
        users, items = state.users, state.items
        of_user = {
            column: Values.stored(
                column.type,
                np.frombuffer(stored, ARRAY_TYPES[column.type][0]),
                users.vocabularies.get(column.name),
            )
            for column, stored in zip(self._of_users, kind, strict=True)
        }

        def read(column: Column) -> Values:
            return of_user[column] if column in of_user else items.values(column.name, codes_P)

        passes_P = np.ones(len(codes_P), np.bool_)
        for condition in self._conditions:
            passes_P &= evaluate(condition, read).true()
        return passes_P


@contextmanager
def _held(state: OnlineState) -> Iterator[None]:
    if not state.lock.acquire(timeout=_PATIENCE_S):
        raise TimeoutError
    try:
        yield
    finally:
        state.lock.release()


def _conjuncts(condition: Expression) -> Iterator[Expression]:
    """Yield the conditions that must all hold for a condition to hold: in Kleene's logic too."""
    if isinstance(condition, Operation) and condition.operator == "and":
        for operand in condition.operands():
            yield from _conjuncts(operand)
    else:
        yield condition
