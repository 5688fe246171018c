"""Find a fitted model's class by its kind: the kind is the file's name, so that no central list exists.

The file `boosted_trees.py` holds the definition `BoostedTrees` and what it fits, `FittedBoostedTrees`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module, resources
from typing import cast

from shortlist import models
from shortlist.models.contract import FittedRanker
from shortlist.models.errors import ModelFileError
from shortlist.models.retrieval import FittedRetrieval


def fitted_class(kind: str) -> type[FittedRanker] | type[FittedRetrieval]:
    """Return the class that loads models of a kind, as `model.json` of a release names it.

    A release may be foreign, so nothing but the file of a model in this package is ever imported.

    Raises:
        ModelFileError: when no model of that kind is installed.
    """
    kinds = model_kinds()
    if kind not in kinds:
        raise ModelFileError(
            f"model kind {kind!r}: expected one of {', '.join(kinds)}. "
            "The release was written by another version, or is damaged."
        )
    found = getattr(import_module(f"{models.__name__}.{kind}"), _class_name(kind))
    assert issubclass(found, (FittedRanker, FittedRetrieval))
    return cast(type[FittedRanker] | type[FittedRetrieval], found)


def model_kinds() -> list[str]:
    """Return the kinds of model there are, sorted, without importing any (some need training libraries)."""
    folder = resources.files(models)
    return sorted(
        module.name
        for module in pkgutil.iter_modules(models.__path__)
        if not module.ispkg
        and f'kind: ClassVar[str] = "{module.name}"' in (folder / f"{module.name}.py").read_text("utf-8")
    )


def _class_name(kind: str) -> str:
    return "Fitted" + "".join(word.capitalize() for word in kind.split("_"))
