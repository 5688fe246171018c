"""Two processes move the pointer, a third reads it in a tight loop: it never sees anything but a release."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from releases.sample import publish
from shortlist.releases import BundleWriter, Registry

NUM_MOVES = 50

# A promoter owns two releases and alternates, so that each of its promotions is a move.
MOVER = """
import pathlib, sys
from shortlist.releases import Registry
registry, verb, count, own = Registry(pathlib.Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
for number in range(count):
    registry.promote(own[number % 2]) if verb == "promote" else registry.rollback()
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


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    outputs = []
    for process in processes:
        output, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
        outputs.append(output)
    return outputs


def test_readers_see_whole_pointers_while_two_processes_move_it(registry, tmp_path):
    first, *ids = [publish(registry, seed) for seed in range(5)]
    registry.promote(first)
    stop = tmp_path / "stop"
    reader = start(READER, registry.folder, stop)
    assert reader.stdout.readline() == "ready\n"
    finish(
        start(MOVER, registry.folder, "promote", NUM_MOVES, *ids[:2]),
        start(MOVER, registry.folder, "promote", NUM_MOVES, *ids[2:]),
    )
    finish(
        start(MOVER, registry.folder, "rollback", NUM_MOVES // 2),
        start(MOVER, registry.folder, "rollback", NUM_MOVES // 2),
    )
    stop.touch()
    num_reads, num_seen = map(int, finish(reader)[0].split())
    assert num_reads > NUM_MOVES
    assert num_seen >= 2

    # No move was lost, and each follows from the one before it.
    moves = registry.history()[::-1]
    assert [move.kind for move in moves] == ["promote"] * (1 + 2 * NUM_MOVES) + ["rollback"] * NUM_MOVES
    stack: list[str] = []
    for move in moves:
        if move.kind == "promote":
            stack.append(move.id)
        else:
            stack.pop()
        assert stack[-1] == move.id
    assert registry.current() == stack[-1]


def test_two_processes_that_commit_the_same_content_make_one_release(registry, tmp_path):
    code = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
from releases.sample import publish
from shortlist.releases import Registry
print(*{publish(Registry(pathlib.Path(sys.argv[1])), seed=number % 3) for number in range(15)})
"""
    tests = Path(__file__).resolve().parents[1]
    outputs = finish(*(start(code, registry.folder, tests) for _ in range(2)))
    printed = {id for output in outputs for id in output.split()}
    assert {info.id for info in Registry(registry.folder).list()} == printed
    assert len(printed) == 3
    for id in printed:
        registry.open(id)
    assert not list((registry.folder / "staging").iterdir())


def test_a_writer_does_not_mind_a_bundle_that_goes_away_while_it_sweeps(registry, monkeypatch):
    left = registry.folder / "staging" / "left"
    left.mkdir()
    listed = Path.iterdir

    def iterdir(folder):
        found = list(listed(folder))
        left.rmdir()  # its writer ends right after the listing
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with BundleWriter(registry.folder) as bundle:
        assert bundle.folder.is_dir()
