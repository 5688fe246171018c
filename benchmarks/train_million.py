"""Train on a million events of a simulated platform: seconds of each step, on the cores there are.

    python benchmarks/train_million.py [IMPRESSIONS]

Impressions, watches and likes come to a million at the default of 800,000 impressions.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from shortlist.features.schema import log_schemas
from shortlist.log import SqliteLog
from shortlist.offline.report import comparison_tables
from shortlist.offline.train import train
from shortlist.recipes.video.app import app
from shortlist.recipes.video.simulated import history_sources
from shortlist.releases import Registry
from shortlist.world import World, WorldConfig


def main(num_impressions: int) -> None:
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        started_s = time.perf_counter()
        world = World(WorldConfig(num_users=20_000, num_videos=20_000, num_creators=4_000))
        history = world.history(num_impressions)
        console.print(f"{time.perf_counter() - started_s:6.1f} s  simulate {num_impressions:,} impressions")
        with SqliteLog(folder / "log", log_schemas(app)) as log:
            started_s = time.perf_counter()
            imported = log.import_history(history_sources(history))
            console.print(
                f"{time.perf_counter() - started_s:6.1f} s  import {imported.num_imported:,} records"
            )
            del world, history
            started_s, started_cpu_s = time.perf_counter(), time.process_time()
            report = train(app, log, Registry(folder / "releases"))
            elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    for step, seconds in report.seconds.items():
        console.print(f"{seconds:6.1f} s  {step}")
    load = os.getloadavg()[0]
    console.print(
        f"{elapsed_s:6.1f} s  shortlist train on {report.as_of_seq:,} records ({cpu_s:.1f} CPU s, "
        f"{os.cpu_count()} cores, load average {load:.1f})",
        style="bold",
    )
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    console.print(f"{peak_gb:6.1f} GB  peak memory, the simulation included")
    for comparison in report.comparisons:
        for table in comparison_tables(comparison):
            console.print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 800_000)
