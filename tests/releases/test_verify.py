"""Opening: any change of any file is seen; foreign, escaping and code-carrying bundles are refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.sample import metadata, publish
from shortlist.releases import Registry, ReleaseCorrupted, ReleaseError, ReleaseForeign, open_release
from shortlist.releases.manifest import FileEntry, Manifest, encode, read_manifest, release_id, sealed

FILES = ["manifest.json", "card.md", "vocabulary.json", "ranker/weights.npy"]


@cache
def sound() -> Path:
    """One release that no test changes."""
    folder = Path(tempfile.mkdtemp(prefix="shortlist-release-"))
    registry = Registry(folder)
    return registry.open(publish(registry, seed=1)).folder


@pytest.fixture(scope="module", autouse=True)
def _clean():
    yield
    shutil.rmtree(sound().parents[1])
    sound.cache_clear()


def rewrite(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@st.composite
def damages(draw):
    """One change of the bundle: a flipped byte, or a cut, longer, missing or added file."""
    kind = draw(st.sampled_from(["flip", "cut", "extend", "remove", "add"]))
    name = draw(st.sampled_from(FILES))
    place = draw(st.integers(min_value=0, max_value=(sound() / name).stat().st_size - 1))
    return kind, name, place, draw(st.integers(min_value=1, max_value=255))


@settings(max_examples=300, deadline=None)
@given(damage=damages())
def test_any_single_damage_is_detected(damage):
    kind, name, place, mask = damage
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "copy"
        shutil.copytree(sound(), folder)
        path = folder / name
        content = bytearray(path.read_bytes())
        if kind == "flip":
            content[place] ^= mask
            rewrite(path, bytes(content))
        elif kind == "cut":
            rewrite(path, bytes(content[:place]))
        elif kind == "extend":
            rewrite(path, bytes(content) + bytes([mask]))
        elif kind == "remove":
            path.unlink()
        else:
            rewrite(path.with_name(f"added{place}.json"), b"{}")
        with pytest.raises((ReleaseCorrupted, ReleaseForeign)):
            open_release(folder)


def test_every_byte_of_the_manifest_matters(tmp_path):
    content = (sound() / "manifest.json").read_bytes()
    for place in range(len(content)):
        rewrite(
            tmp_path / "manifest.json", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        )
        with pytest.raises(ReleaseError):
            read_manifest(tmp_path)


def test_a_manifest_that_says_the_same_in_another_text_is_refused(tmp_path):
    content = (sound() / "manifest.json").read_bytes()
    for other in (content + b"\n", content.replace(b"\n", b""), msgspec.json.format(content, indent=2)):
        assert msgspec.json.decode(other) == msgspec.json.decode(content)
        rewrite(tmp_path / "manifest.json", other)
        with pytest.raises(ReleaseCorrupted, match="seal"):
            read_manifest(tmp_path)


def test_a_cut_file_is_told_by_its_size(tmp_path):
    shutil.copytree(sound(), tmp_path / "copy")
    rewrite(tmp_path / "copy" / "vocabulary.json", b"[]")
    with pytest.raises(ReleaseCorrupted, match="expected 10 bytes, received 2 bytes"):
        open_release(tmp_path / "copy")


def test_an_undamaged_copy_opens_elsewhere(tmp_path):
    shutil.copytree(sound(), tmp_path / "copy")
    release = open_release(tmp_path / "copy", expected_fingerprint="f" * 64)
    assert np.load(release.path("ranker/weights.npy"), mmap_mode="r", allow_pickle=False).shape == (32,)


def test_the_message_names_file_expected_received_and_mend(tmp_path):
    shutil.copytree(sound(), tmp_path / "copy")
    path = tmp_path / "copy" / "vocabulary.json"
    rewrite(path, b'["a", "c"]')
    digests = [hashlib.sha256(text).hexdigest() for text in (b'["a", "b"]', b'["a", "c"]')]
    with pytest.raises(ReleaseCorrupted) as caught:
        open_release(tmp_path / "copy")
    message = str(caught.value)
    assert str(path) in message
    assert f"expected sha256 {digests[0]}, received sha256 {digests[1]}" in message
    assert "keeps serving" in message


def test_another_declaration_is_refused_naming_both():
    with pytest.raises(ReleaseForeign) as caught:
        open_release(sound(), expected_fingerprint="0" * 64)
    assert "0" * 64 in str(caught.value)
    assert "f" * 64 in str(caught.value)


def forged(folder: Path, names: dict[str, bytes], **changed) -> Path:
    """A bundle whose manifest is consistent in itself, as an attacker would write it."""
    folder.mkdir()
    files = {
        name: FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in names.items()
    }
    meta = metadata()
    manifest = msgspec.structs.replace(
        read_manifest(sound()), files=files, metadata=meta, id=release_id(files, meta), **changed
    )
    (folder / "manifest.json").write_bytes(encode(sealed(manifest)))
    return folder


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "a/../../outside.json", "/outside.json", "a//b.json", "./a.json", "..\\a.md"],
)
def test_a_path_that_escapes_is_refused(tmp_path, name):
    (tmp_path / "outside.json").write_bytes(b"{}")
    folder = forged(tmp_path / "forged", {name: b"{}"})
    with pytest.raises(ReleaseCorrupted, match="leaves the bundle"):
        open_release(folder)


@pytest.mark.parametrize("name", ["m.pkl", "m.pickle", "m.joblib", "m.pt", "m.py", "m.so"])
def test_a_format_that_can_run_code_is_refused(tmp_path, name):
    folder = forged(tmp_path / "forged", {name: b"x"})
    (folder / name).write_bytes(b"x")
    with pytest.raises(ReleaseCorrupted, match="not known to hold data only"):
        open_release(folder)


def test_an_array_of_objects_is_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.array([print], dtype=object), allow_pickle=True)
    content = (tmp_path / "m.npy").read_bytes()
    folder = forged(tmp_path / "forged", {"m.npy": content})
    (folder / "m.npy").write_bytes(content)
    with pytest.raises(ReleaseCorrupted, match="pickle"):
        open_release(folder)


def test_a_forged_bundle_of_plain_data_opens(tmp_path):
    """So the refusals above are for what they name, not for the forging."""
    folder = forged(tmp_path / "forged", {"m.json": b"x"})
    (folder / "m.json").write_bytes(b"x")
    assert open_release(folder).manifest.files.keys() == {"m.json"}


def test_a_link_to_the_right_content_is_refused(tmp_path):
    shutil.copytree(sound(), tmp_path / "copy")
    path = tmp_path / "copy" / "vocabulary.json"
    path.unlink()
    path.symlink_to(sound() / "vocabulary.json")
    with pytest.raises(ReleaseCorrupted, match="link"):
        open_release(tmp_path / "copy")


def test_a_linked_folder_is_refused(tmp_path):
    shutil.copytree(sound(), tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "ranker")
    (tmp_path / "copy" / "ranker").symlink_to(sound() / "ranker")
    with pytest.raises(ReleaseCorrupted, match="link"):
        open_release(tmp_path / "copy")


def test_another_format_is_foreign_and_says_so(tmp_path):
    folder = forged(tmp_path / "forged", {}, format=1)
    with pytest.raises(ReleaseForeign, match="expected manifest format 3, received format 1"):
        open_release(folder)


@pytest.mark.parametrize("field", Manifest.__struct_fields__)
def test_a_missing_field_is_named(tmp_path, field):
    plain = msgspec.json.decode((sound() / "manifest.json").read_bytes())
    del plain[field]
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(plain))
    with pytest.raises(ReleaseCorrupted, match=f"missing required field `{field}`"):
        open_release(tmp_path)


def test_an_id_that_is_not_of_the_content_is_refused(tmp_path):
    manifest = msgspec.structs.replace(read_manifest(sound()), id="0" * 64)
    shutil.copytree(sound(), tmp_path / "copy")
    rewrite(tmp_path / "copy" / "manifest.json", encode(sealed(manifest)))
    with pytest.raises(ReleaseCorrupted, match="the id of its content"):
        open_release(tmp_path / "copy")


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ReleaseCorrupted, match=r"manifest\.json"):
        open_release(tmp_path)


def test_a_file_that_is_not_listed_cannot_be_asked_for():
    release = open_release(sound())
    for name in ("other.json", "../current.json", "manifest.json"):
        with pytest.raises(ReleaseCorrupted, match="does not list"):
            release.path(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only files")
def test_the_files_of_a_release_are_read_only():
    with pytest.raises(PermissionError):
        (sound() / "card.md").write_text("edited")
