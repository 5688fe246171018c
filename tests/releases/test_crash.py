"""A process that dies at any step of a commit or a promotion leaves the old state or the new, no third."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from releases.sample import publish
from shortlist.releases import Registry

DIED = 9

# Forks once for each step at which a call reaches the disk, and dies there, without any clean-up.
CRASHER = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[1])
from releases.sample import publish
from shortlist.releases import Registry

def die_at(step):
    left = [step]
    def counted(call):
        def dying(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return call(*arguments, **options)
        return dying
    os.fsync = counted(os.fsync)
    for name in ("rename", "replace", "write_bytes", "write_text", "chmod"):
        setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))

for step in range(int(sys.argv[4])):
    registry = Registry(pathlib.Path(sys.argv[2]) / str(step))
    publish(registry, seed=1)
    registry.promote(registry.list()[0].id)
    child = os.fork()
    if child == 0:
        die_at(step)
        id = publish(registry, seed=2)
        if sys.argv[3] == "promote":
            registry.promote(id)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def crash_everywhere(folder: Path, verb: str) -> list[int]:
    tests = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", CRASHER, str(tests), str(folder), verb, "40"]
    return [
        int(line)
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    ]


@pytest.mark.parametrize("verb", ["commit", "promote"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new(tmp_path, verb):
    codes = crash_everywhere(tmp_path, verb)
    num_steps = codes.index(0)
    assert num_steps > 10
    assert codes == [DIED] * num_steps + [0] * (len(codes) - num_steps)

    old = publish(Registry(tmp_path / "reference"), seed=1)
    new = publish(Registry(tmp_path / "reference"), seed=2)
    seen, num_left_behind = set(), 0
    for step in range(num_steps):
        registry = Registry(tmp_path / str(step))
        visible = {info.id for info in registry.list()}
        assert visible in ({old}, {old, new})
        assert registry.current() in visible
        for id in visible:
            registry.open(id)
        num_left_behind += len(list((registry.folder / "staging").iterdir()))
        seen.add((new in visible, registry.current() == new))

        assert publish(registry, seed=2) == new
        assert registry.promote(new) == new
        assert not list((registry.folder / "staging").iterdir())

    assert num_left_behind > 5
    assert seen >= ({(False, False), (True, False)} if verb == "commit" else {(True, False), (True, True)})
