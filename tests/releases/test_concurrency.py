"""Two processes move the pointer, a third reads it in a tight loop: it never sees anything but a release."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from releases.sample import publish
from shortlist.releases import Registry

NUM_MOVES = 100

MOVER = """
import pathlib, sys
from shortlist.releases import Registry, ReleaseError
registry = Registry(pathlib.Path(sys.argv[1]))
ids = sorted(info.id for info in registry.list())
moved = 0
while moved < int(sys.argv[2]):
    if moved % 3 == 2:
        try:
            registry.rollback()
        except ReleaseError:  # the other process has walked all the way back
            registry.promote(ids[0])
    else:
        registry.promote(ids[moved % len(ids)])
    moved += 1
"""

READER = """
import pathlib, sys
from shortlist.releases import Registry
registry = Registry(pathlib.Path(sys.argv[1]))
ids = {info.id for info in registry.list()}
reads, seen = 0, set()
print("ready", flush=True)
while not pathlib.Path(sys.argv[2]).exists():
    for _ in range(20):
        current = registry.current()
        assert current in ids, current
        seen.add(current)
        reads += 1
print(reads, len(seen))
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_readers_see_whole_pointers_while_two_processes_move_it(registry, tmp_path):
    ids = {publish(registry, seed) for seed in range(4)}
    registry.promote(min(ids))
    stop = tmp_path / "stop"
    reader = start(READER, registry.folder, stop)
    assert reader.stdout.readline() == "ready\n"
    for mover in [start(MOVER, registry.folder, NUM_MOVES) for _ in range(2)]:
        _, errors = mover.communicate(timeout=60)
        assert mover.returncode == 0, errors
    stop.touch()
    output, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    num_reads, num_seen = map(int, output.split())
    assert num_reads > NUM_MOVES
    assert num_seen >= 2

    # No move was lost: each follows from the one before it.
    moves = registry.history()[::-1]
    stack: list[str] = []
    for move in moves:
        if move.kind == "promote":
            stack.append(move.id)
        else:
            stack.pop()
        assert stack[-1] == move.id
    assert registry.current() == stack[-1]
    assert len(moves) > NUM_MOVES


def test_two_processes_that_commit_the_same_content_make_one_release(registry, tmp_path):
    code = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
from releases.sample import publish
from shortlist.releases import Registry
print(*{publish(Registry(pathlib.Path(sys.argv[1])), seed=number % 3) for number in range(15)})
"""
    tests = Path(__file__).resolve().parents[1]
    printed = set()
    for writer in [start(code, registry.folder, tests) for _ in range(2)]:
        output, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
        printed |= set(output.split())
    assert {info.id for info in Registry(registry.folder).list()} == printed
    assert len(printed) == 3
    for id in printed:
        registry.open(id)
    assert not list((registry.folder / "staging").iterdir())
