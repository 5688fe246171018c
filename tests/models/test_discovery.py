"""Kinds lead to classes; nothing outside the package is ever imported."""

from __future__ import annotations

import sys

import pytest

from shortlist.models.discovery import fitted_class, model_kinds
from shortlist.models.errors import ModelFileError


@pytest.mark.parametrize(
    "kind", ["", "contract", "logistic_fit", "../popularity", "antigravity", "popularity.os", "Popularity"]
)
def test_what_is_no_model_is_refused(kind: str) -> None:
    with pytest.raises(ModelFileError, match=r"expected one of .*popularity"):
        fitted_class(kind)
    assert "antigravity" not in sys.modules


def test_every_model_is_found() -> None:
    assert {"boosted_trees", "co_visitation", "logistic", "popularity"} <= set(model_kinds())
    assert "contract" not in model_kinds()
