"""Committing: files round-trip, the id follows the content, and what may not be published is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.sample import metadata, publish, write_files
from shortlist.releases import BundleRefused, BundleWriter, FeatureField, Registry, ReleaseCorrupted

parts = st.text("abcXYZ0189_-. ", min_size=1, max_size=8).filter(lambda part: part not in {".", ".."})
names = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(parts.map(lambda part: "d" + part), max_size=3),
    parts,
    st.sampled_from([".json", ".bin", ".safetensors", ".txt"]),
)


@settings(max_examples=40, deadline=None)
@given(files=st.dictionaries(names, st.binary(max_size=200), max_size=6))
def test_any_files_round_trip(files):
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        with BundleWriter(registry.folder) as bundle:
            for name, content in files.items():
                path = bundle.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            id = bundle.commit(metadata())
        release = registry.open(id)
        assert release.manifest.files.keys() == {*files, "card.md"}
        assert {name: release.path(name).read_bytes() for name in files} == files
        assert release.metadata == metadata()


def test_same_content_has_the_same_id_and_is_kept_once(registry):
    first = publish(registry, seed=1)
    created_at = registry.open(first).manifest.created_at
    assert publish(registry, seed=1) == first
    assert [info.id for info in registry.list()] == [first]
    assert registry.open(first).manifest.created_at == created_at


@pytest.mark.parametrize(
    "changed",
    [
        {"fingerprint": "e" * 64},
        {"features": (FeatureField(name="other", kind="number"),)},
        {"metrics": {"logistic": {"auc": 0.9}}},
        {"as_of_seq": 1_001},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_declaration_schema_or_card_has_another_id(registry, changed):
    assert publish(registry, seed=1, **changed) != publish(registry, seed=1)


def test_other_weights_have_another_id(registry):
    assert publish(registry, seed=1) != publish(registry, seed=2)


def test_committing_again_mends_a_damaged_release(registry):
    id = publish(registry, seed=1)
    (registry.folder / "releases" / id / "vocabulary.json").unlink()
    with pytest.raises(ReleaseCorrupted):
        registry.open(id)
    assert publish(registry, seed=1) == id
    assert registry.open(id).path("vocabulary.json").read_text() == '["a", "b"]'


def test_without_a_commit_nothing_is_published(registry):
    with BundleWriter(registry.folder) as bundle:
        write_files(bundle.folder, seed=1)
    assert registry.list() == []
    assert not list((registry.folder / "staging").iterdir())


def test_an_error_in_the_block_publishes_nothing(registry):
    def fit_and_fail() -> None:
        with BundleWriter(registry.folder) as bundle:
            write_files(bundle.folder, seed=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit_and_fail()
    assert registry.list() == []
    assert not list((registry.folder / "staging").iterdir())


def test_a_writer_at_work_is_not_swept_by_another(registry):
    with BundleWriter(registry.folder) as slow:
        write_files(slow.folder, seed=1)
        quick = publish(registry, seed=2)
        late = slow.commit(metadata())
    assert {info.id for info in registry.list()} == {quick, late}


def test_numpy_numbers_and_whole_numbers_are_read_back_as_plain_ones(registry):
    metrics = {"logistic": {"auc": np.float64(0.75), "rows": 3}}
    id = publish(registry, seed=1, metrics=metrics, as_of_seq=np.int64(7))
    assert registry.open(id).metadata.metrics == {"logistic": {"auc": 0.75, "rows": 3.0}}
    assert registry.open(id).metadata.as_of_seq == 7


def refused(registry: Registry, write, **changed) -> str:
    with BundleWriter(registry.folder) as bundle:
        write(bundle.folder)
        with pytest.raises(BundleRefused) as caught:
            bundle.commit(metadata(**changed))
    assert registry.list() == []
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["m.pkl", "m.pickle", "m.joblib", "m.pt", "m.py", "m.so", "m.npz", "plain", "a/b.sh", "m.json.pkl"],
)
def test_a_format_that_can_run_code_is_refused(registry, name):
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")

    assert name in refused(registry, write)


def test_an_array_of_objects_is_refused(registry):
    array = np.array([{"run": "me"}], dtype=object)
    assert "pickle" in refused(registry, lambda folder: np.save(folder / "m.npy", array, allow_pickle=True))


def test_a_false_array_is_refused(registry):
    assert "no array" in refused(registry, lambda folder: (folder / "m.npy").write_bytes(b"\x80\x04."))


def test_links_are_refused(registry, tmp_path):
    (tmp_path / "outside.json").write_text("{}")
    message = refused(registry, lambda folder: (folder / "in.json").symlink_to(tmp_path / "outside.json"))
    assert "link" in message
    assert "link" in refused(registry, lambda folder: (folder / "in").symlink_to(tmp_path))
    assert "link" in refused(registry, lambda folder: os.mkfifo(folder / "in.json"))


@pytest.mark.parametrize("name", ["manifest.json", "card.md"])
def test_names_of_the_commit_are_refused(registry, name):
    assert "commit writes itself" in refused(registry, lambda folder: (folder / name).write_text("mine"))


@pytest.mark.parametrize("name", ["ö.json", "a\nb.json", "a\\b.json"])
def test_names_that_are_not_plain_are_refused(registry, name):
    refused(registry, lambda folder: (folder / name).write_text("{}"))


@pytest.mark.parametrize(
    "changed",
    [
        {"metrics": {"logistic": {"auc": float("nan")}}},
        {"metrics": {"logistic": {"auc": "high"}}},
        {"sections": {"deep": [float("inf")]}},
        {"sections": {"deep": range(3)}},
        {"as_of_seq": -1},
    ],
    ids=str,
)
def test_metadata_that_json_would_change_is_refused(registry, changed):
    assert "metadata" in refused(registry, lambda folder: write_files(folder, seed=1), **changed)


def test_the_manifest_is_plain_json(registry):
    release = registry.open(publish(registry, seed=1))
    plain = msgspec.json.decode((release.folder / "manifest.json").read_bytes())
    assert plain["format"] == 3
    assert plain["metadata"]["fingerprint"] == "f" * 64
    assert plain["created_at"].endswith("Z")
