"""The registry: listing, opening by prefix, promoting, rolling back, deleting."""

from __future__ import annotations

import shutil

import pytest

from releases.sample import publish
from shortlist.releases import (
    Registry,
    ReleaseCorrupted,
    ReleaseError,
    ReleaseForeign,
    ReleaseInUse,
    ReleaseNotFound,
)
from shortlist.releases.pointer import MAX_MOVES, MAX_PREVIOUS, Pointer


def test_a_new_registry_is_empty(registry):
    assert registry.list() == []
    assert registry.current() is None
    assert registry.history() == ()


def test_list_is_newest_first_and_marks_the_current(registry):
    ids = [publish(registry, seed) for seed in range(4)]
    registry.promote(ids[1])
    assert [info.id for info in registry.list()] == ids[::-1]
    assert [info.id for info in registry.list() if info.is_current] == [ids[1]]


def test_list_names_a_damaged_release_and_keeps_the_others(registry):
    sound, damaged = publish(registry, 1), publish(registry, 2)
    (registry.folder / "releases" / damaged / "manifest.json").unlink()
    problems = {info.id: info.problem for info in registry.list()}
    assert problems[sound] is None
    assert "manifest.json" in problems[damaged]


def test_open_by_the_shortest_prefix(registry):
    ids = [publish(registry, seed) for seed in range(5)]
    for id in ids:
        length = next(n for n in range(1, 65) if sum(other.startswith(id[:n]) for other in ids) == 1)
        assert registry.open(id[:length]).id == id
        with pytest.raises(ReleaseNotFound, match="the beginning of one only"):
            registry.open(id[: length - 1])


@pytest.mark.parametrize("prefix", ["", "zz", "../releases", "/"])
def test_open_an_unknown_release(registry, prefix):
    publish(registry, 1)
    with pytest.raises(ReleaseNotFound):
        registry.open(prefix)


def test_a_release_under_a_wrong_name_is_refused(registry):
    releases = registry.folder / "releases"
    shutil.copytree(releases / publish(registry, 1), releases / ("0" * 64))
    with pytest.raises(ReleaseCorrupted, match="own name"):
        registry.open("0" * 64)


def test_rollback_walks_back_through_the_promotions(registry):
    a, b, c, d = (publish(registry, seed) for seed in range(4))
    for id in (a, b, c):
        registry.promote(id)
    assert registry.rollback() == b
    assert registry.promote(d) == d
    assert [registry.rollback(), registry.rollback()] == [b, a]
    with pytest.raises(ReleaseError, match="current before"):
        registry.rollback()
    assert registry.current() == a
    kinds = [(move.kind, move.id) for move in registry.history()]
    assert kinds == [
        ("rollback", a),
        ("rollback", b),
        ("promote", d),
        ("rollback", b),
        ("promote", c),
        ("promote", b),
        ("promote", a),
    ]


def test_promoting_the_current_release_changes_nothing(registry):
    id = publish(registry, 1)
    registry.promote(id)
    registry.promote(id[:10])
    assert len(registry.history()) == 1
    with pytest.raises(ReleaseError, match="current before"):
        registry.rollback()


def test_the_pointer_outlives_the_object(registry):
    id = registry.promote(publish(registry, 1))
    assert Registry(registry.folder).current() == id


def test_a_damaged_release_is_not_promoted_and_the_old_one_stays(registry):
    old, new = publish(registry, 1), publish(registry, 2)
    registry.promote(old)
    (registry.folder / "releases" / new / "vocabulary.json").unlink()
    with pytest.raises(ReleaseCorrupted):
        registry.promote(new)
    assert registry.current() == old


def test_a_damaged_release_is_not_rolled_back_to(registry):
    old, new = publish(registry, 1), publish(registry, 2)
    registry.promote(old)
    registry.promote(new)
    (registry.folder / "releases" / old / "vocabulary.json").unlink()
    with pytest.raises(ReleaseCorrupted):
        registry.rollback()
    assert registry.current() == new


def test_a_foreign_release_is_not_promoted(registry):
    old = registry.promote(publish(registry, 1))
    with pytest.raises(ReleaseForeign):
        registry.promote(publish(registry, 2, fingerprint="e" * 64), expected_fingerprint="f" * 64)
    assert registry.current() == old


def test_delete(registry):
    a, b, c = (publish(registry, seed) for seed in range(3))
    for id in (a, b, c):
        registry.promote(id)
    with pytest.raises(ReleaseInUse):
        registry.delete(c)
    registry.delete(b)
    assert {info.id for info in registry.list()} == {a, c}
    assert registry.rollback() == a
    assert not list((registry.folder / "staging").iterdir())


def test_a_damaged_pointer_is_named(registry):
    registry.promote(publish(registry, 1))
    (registry.folder / "current.json").write_text('{"format":1,')
    with pytest.raises(ReleaseCorrupted, match=r"current\.json"):
        registry.current()


def test_what_the_pointer_remembers_is_bounded():
    pointer = Pointer()
    for number in range(MAX_MOVES + 10):
        pointer = pointer.promoted(f"{number:064x}")
    assert len(pointer.moves) == MAX_MOVES
    assert len(pointer.previous) == MAX_PREVIOUS
    assert pointer.rolled_back().current == f"{MAX_MOVES + 8:064x}"


def test_proofs_lie_beside_a_release_newest_first_and_go_with_it(registry):
    first, second = publish(registry, seed=1), publish(registry, seed=2)
    registry.prove(first[:8], b'{"p99_ms": 9}')
    newest = registry.prove(first, b'{"p99_ms": 8}')
    assert [path.read_bytes() for path in registry.proofs(first)] == [b'{"p99_ms": 8}', b'{"p99_ms": 9}']
    assert registry.proofs(first)[0] == newest
    assert registry.proofs(second) == ()
    assert registry.open(first).id == first, "the release itself is untouched"
    registry.delete(first)
    assert not newest.exists()
    with pytest.raises(ReleaseNotFound):
        registry.prove(first, b"{}")
