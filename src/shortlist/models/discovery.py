"""Find a fitted model's class by its kind: the kind is the file's name, so that no central list exists.

The file `boosted_trees.py` holds the definition `BoostedTrees` and what it fits, `FittedBoostedTrees`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from shortlist import models
from shortlist.models.contract import FittedRanker, FittedRetrieval
from shortlist.models.errors import ModelFileError


def fitted_class(kind: str) -> type[FittedRanker] | type[FittedRetrieval]:
    """Return the class that loads models of a kind, as `model.json` of a release names it.

    A release may be foreign, so only a file that lies in this package is ever imported.

    Raises:
        ModelFileError: when no model of that kind is installed.
    """
    found = _fitted_class(kind) if kind in _file_names() else None
    if found is None:
        known = [name for name in _file_names() if _fitted_class(name) is not None]
        raise ModelFileError(
            f"model kind {kind!r}: expected one of {', '.join(known)}. "
            "The release was written by another version, or is damaged."
        )
    return found


def _file_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__))


def _fitted_class(name: str) -> type[FittedRanker] | type[FittedRetrieval] | None:
    title = "".join(word.capitalize() for word in name.split("_"))
    candidate = getattr(import_module(f"{models.__name__}.{name}"), f"Fitted{title}", None)
    if isinstance(candidate, type) and issubclass(candidate, (FittedRanker, FittedRetrieval)):
        return candidate
    return None
