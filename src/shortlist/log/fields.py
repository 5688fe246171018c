"""Fields by name, each made when it is first asked for: who reads events reads few of their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping
from typing import TypeVar

Made = TypeVar("Made")


class Fields(Mapping[str, Made]):
    """A mapping whose values are made on demand, once.

    Args:
        names: of all fields, as keys.
        make: makes one, by its name.
    """

    def __init__(self, names: Mapping[str, object], make: Callable[[str], Made]) -> None:
        self._names, self._make = names, make
        self._made: dict[str, Made] = {}

    def __getitem__(self, name: str) -> Made:
        made = self._made.get(name)
        if made is None:
            if name not in self._names:
                raise KeyError(name)
            made = self._made[name] = self._make(name)
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._names.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
