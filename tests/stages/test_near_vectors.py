"""A source of vectors made elsewhere holds to the contract, and proposes what is near in them."""

from __future__ import annotations

import numpy as np
import polars
import pytest

import shortlist as sl
from shortlist.stages.sources.near_vectors import NearVectors
from stages.conformance import SourceConformance
from stages.town import NUM_VIDEOS, past, query

ANGLES = np.linspace(0, 2 * np.pi, NUM_VIDEOS, endpoint=False)


class TestNearVectors(SourceConformance):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def table(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        """The videos on a circle, by their number: v0 is beside v1."""
        cls.path = str(tmp_path_factory.mktemp("elsewhere") / "vectors.parquet")
        vectors = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
        table = {"item": [f"v{number}" for number in range(NUM_VIDEOS)], "vector": vectors.tolist()}
        polars.DataFrame(table).write_parquet(cls.path)

    def stage(self, town):
        return NearVectors(self.path, n=10, history=1)

    def test_the_neighbours_of_the_last_item_come_first(self):
        _, state, propose = self.built()
        watches = [record.fields for record in past() if record.kind == "watch"]
        last = next(int(watch["video"][1:]) for watch in reversed(watches) if watch["user"] == "u1")
        names = state.items.vocabulary.texts(propose(query(state, "u1")).items)
        away = [
            abs((int(name[1:]) - last + NUM_VIDEOS // 2) % NUM_VIDEOS - NUM_VIDEOS // 2) for name in names
        ]
        assert away == sorted(away)
        assert 0 < max(away) <= 7


def test_impossible_settings_are_refused() -> None:
    for setting in ({"n": 0}, {"history": 0}, {"of": "watch"}):
        with pytest.raises(sl.DeclarationError, match="NearVectors"):
            NearVectors("vectors.parquet", **setting)
