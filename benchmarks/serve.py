"""The hot path: seven figures of the served funnel, beside limits and beside what people write today.

    python benchmarks/serve.py [--items 1000000] [--only 1,3] [--root build]

The first run builds the catalogue and keeps it under `build/`. Each figure is measured against servers in
processes of their own, by an open load that counts a latency from when the request was due; the ratios of a
table are from one run on this machine. The generator shares the cores with the server.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console
from serving import breakage, freshness, funnel, growth, overload, peer, swaps
from serving.bench import Bench

FIGURES = {1: funnel, 2: peer, 3: growth, 4: overload, 5: swaps, 6: freshness, 7: breakage}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000, help="clips in the catalogue")
    parser.add_argument("--only", default=",".join(map(str, FIGURES)), help="figures, such as 1,3")
    parser.add_argument("--root", type=Path, default=Path("build"), help="where the catalogues are kept")
    asked = parser.parse_args()
    numbers = [int(number) for number in asked.only.split(",")]
    if unknown := [number for number in numbers if number not in FIGURES]:
        parser.error(f"--only: expected figures 1 to {len(FIGURES)}, received {unknown}")
    console = Console(width=150)
    console.print(f"{asked.items:,} clips on {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    for number in numbers:
        console.print(f"  {number}. {FIGURES[number].TITLE}: about {FIGURES[number].MINUTES:g} minutes")
    total = sum(FIGURES[number].MINUTES for number in numbers)
    console.print(f"About {total:.0f} minutes at a million clips, and what is built first.\n")
    bench = Bench(console, asked.root, asked.items)
    for number in numbers:
        FIGURES[number].show(bench)


if __name__ == "__main__":
    main()
