from __future__ import annotations

import pytest

from shortlist.releases import Registry


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "registry")
