"""What every structure over a pool of segments can do: copy itself, and grow before it must."""

from __future__ import annotations

from copy import copy
from typing import Self

from shortlist.features.kernels.addresses import ArrayTable
from shortlist.features.kernels.arrays import Int64s, is_nearly_full, with_headroom
from shortlist.features.kernels.segments import USED


class Segmented:
    """A pool, its directory and its state; see `segments`. Arrays are replaced, so a reader's stay whole."""

    _pool: Int64s
    _directory: Int64s
    _state: Int64s

    def copy(self) -> Self:
        """Return a structure of its own arrays, which no later call of this one changes."""
        other = copy(self)
        other._pool, other._directory = self._pool.copy(), self._directory.copy()
        other._state = self._state.copy()
        return other

    def arrays(self) -> tuple[Int64s, ...]:
        """Return the arrays that its rows are added to."""
        return self._pool, self._directory, self._state

    def locate(self, table: ArrayTable, place: int) -> None:
        """Put `arrays` into a table of arrays, if they were replaced since."""
        if table.arrays[place] is not self._pool or table.arrays[place + 1] is not self._directory:
            table.put(place, *self.arrays())

    def make_room(self, num_keys: int) -> None:
        """Grow before `add` must, if little is left for so many keys."""
        if is_nearly_full(num_keys, len(self._directory)):
            self._directory = with_headroom(self._directory)
        if is_nearly_full(int(self._state[USED]), len(self._pool)):
            self._pool = with_headroom(self._pool)
