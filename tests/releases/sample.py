"""A small release to publish in tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from shortlist.releases import BundleWriter, DataRange, FeatureField, Metadata, Registry, ReleaseId


def metadata(**changed) -> Metadata:
    plain = Metadata(
        app="video",
        fingerprint="f" * 64,
        as_of_seq=1_000,
        data=DataRange(first_us=1_700_000_000_000_000, last_us=1_700_600_000_000_000, num_examples=123_456),
        features=(FeatureField(name="count(watch, by=user, 1h)", kind="number"),),
        stages={"home": ("Popular(n=100)", "NotSeen()", "BoostedTrees()")},
        p99_ms={"home": 50.0},
        metrics={"logistic": {"auc": 0.71, "gauc": None}, "boosted_trees": {"auc": 0.72, "gauc": 0.64}},
        sections={"note": ["anything", 1, None, {"deep": True}]},
    )
    return msgspec.structs.replace(plain, **changed)


def publish(registry: Registry, seed: int, **changed) -> ReleaseId:
    """Commit a small release whose content follows from the seed."""
    with BundleWriter(registry.folder) as bundle:
        write_files(bundle.folder, seed)
        return bundle.commit(metadata(**changed))


def write_files(folder: Path, seed: int) -> None:
    (folder / "ranker").mkdir()
    np.save(folder / "ranker" / "weights.npy", np.random.default_rng(seed).normal(size=32))
    (folder / "vocabulary.json").write_text('["a", "b"]')
