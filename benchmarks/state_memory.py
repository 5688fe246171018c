"""What the online state of a data folder keeps in memory, part by part, and what its snapshot takes on disk.

    python benchmarks/state_memory.py [--data build/serving-1000000]

The folder is one that `benchmarks/serving/catalogue.py` built. The last line is what the process grew by,
which is more: what reading the snapshot took for a moment, and what the allocator keeps.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from serving.app import app

from shortlist.features.online import OnlineState
from shortlist.features.snapshot import FILE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("build/serving-1000000"))
    folder = parser.parse_args().data / "state"
    if not folder.exists():
        print(f"No state in {folder}: `make bench-serve` builds a catalogue there, and --data names another.")
        return
    before_mb = peak_mb()
    started_s = time.perf_counter()
    state = OnlineState.restore(app, folder)
    restore_s, grown_mb = time.perf_counter() - started_s, peak_mb() - before_mb
    total = 0
    for part, num_bytes in parts(state):
        total += num_bytes
        print(f"{num_bytes / 1e6:9.1f} MB  {part}")
    print(f"{total / 1e6:9.1f} MB  in all, of {len(state.items):,} items and {len(state.users):,} users")
    with tempfile.TemporaryDirectory() as temporary:
        started_s = time.perf_counter()
        state.snapshot(Path(temporary))
        snapshot_s = time.perf_counter() - started_s
        size_mb = (Path(temporary) / FILE).stat().st_size / 1e6
    print(f"{size_mb:9.1f} MB  snapshot, written in {snapshot_s:.1f} s, read in {restore_s:.1f} s")
    print(f"{grown_mb:9.1f} MB  that the process grew by at its peak")


def parts(state: OnlineState) -> Iterator[tuple[str, int]]:
    """Give the parts of the state and the bytes of each."""
    for name, table in state.tables.items():
        texts = sum(vocabulary.nbytes for vocabulary in table.vocabularies.values())
        yield f"ids of {name}", table.vocabulary.nbytes
        yield f"attributes of {name}", table.nbytes + texts
    kept, resolver = state.kept, state.resolver
    by_key: dict[str, int] = {}
    for text, space in resolver.key_spaces.items():
        if space.pairs is not None:
            yield f"slots of ({text})", space.pairs.nbytes
    for track, arena in zip(kept.plan.tracks, kept.arenas, strict=True):
        text = ", ".join(str(part) for part in track.key)
        by_key[text] = by_key.get(text, 0) + arena.nbytes
    for text, num_bytes in by_key.items():
        yield f"running sums by ({text})", num_bytes
    yield "last times", sum(last.times_us.nbytes for last in kept.last_times)
    yield "histories", sum(history.nbytes for history in kept.histories.values())
    yield "impressions that wait for their labels", resolver.labels.attribution.nbytes


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
