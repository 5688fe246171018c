"""Point-in-time features in Polars: running sums per key, found again by as-of joins."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl

from peers.windows import D1, D7, H1, matrix

_LAST = 20


def run(folder: Path, out: Path) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    watches = pl.read_parquet(folder / "watches.parquet").with_columns(one=pl.lit(1, pl.Int64))
    outcomes = pl.read_parquet(folder / "outcomes.parquet")
    requests = pl.read_parquet(folder / "requests.parquet").with_row_index("n")
    user = _sums(watches, requests, ["user"], [H1, D1, D7], ["one", "step"])
    item = _sums(watches, requests, ["item"], [H1, D1], ["one"])
    by_item = _sums(outcomes, requests, ["item"], [D7], ["shown", "positive"])
    overall = _sums(
        outcomes.with_columns(all=pl.lit(0)), requests.with_columns(all=pl.lit(0)), ["all"], [D7],
        ["shown", "positive"],
    )  # fmt: skip
    cross = _sums(watches, requests, ["user", "topic"], [D7], ["one"])
    recent = _last(watches, requests)
    features = matrix(
        [user[0][0], user[1][0], user[2][0]], user[2][1], [item[0][0], item[1][0]],
        (by_item[0][0], by_item[0][1]), (overall[0][0], overall[0][1]), cross[0][0],
    )  # fmt: skip
    figures = {"features_s": time.perf_counter() - started, "features_cpu_s": time.process_time() - cpu}
    np.savez(out, matrix=features, last=recent)
    return figures


def _sums(
    events: pl.DataFrame,
    requests: pl.DataFrame,
    key: list[str],
    windows: list[tuple[int, int]],
    lanes: list[str],
) -> list[list[np.ndarray]]:
    """Return sums[window][lane], int64[N]."""
    running = events.select(*key, "t", *(pl.col(lane).cum_sum().over(key).alias(lane) for lane in lanes))

    def before(moment: pl.Expr) -> list[np.ndarray]:
        probes = requests.select("n", *key, moment.alias("t")).sort("t")
        found = probes.join_asof(running, on="t", by=key, allow_exact_matches=False, check_sortedness=False)
        return [found.sort("n")[lane].fill_null(0).to_numpy() for lane in lanes]

    head = before(pl.col("t"))
    sums = []
    for window, tile in windows:
        tail = before((pl.col("t") - window) // tile * tile)
        sums.append([h - t for h, t in zip(head, tail, strict=True)])
    return sums


def _last(watches: pl.DataFrame, requests: pl.DataFrame) -> np.ndarray:
    """Return the last items int32[N, 20] of each request's user, newest first, -1 where they end."""
    grouped = watches.select("user", "item", "t").sort("user", "t", maintain_order=True).with_row_index("row")
    starts = grouped.group_by("user").agg(pl.col("row").min().alias("start"))
    heads = (
        requests.select("n", "user", "t").sort("t")
        .join_asof(grouped.sort("t").select("user", "t", "row"), on="t", by="user", allow_exact_matches=False,
                   check_sortedness=False)
        .join(starts, on="user", how="left").sort("n")
    )  # fmt: skip
    rows = heads["row"].cast(pl.Int64).fill_null(-1).to_numpy()
    start = heads["start"].cast(pl.Int64).fill_null(0).to_numpy()
    places = rows[:, None] - np.arange(_LAST)
    held = (rows[:, None] >= 0) & (places >= start[:, None])
    return np.where(held, grouped["item"].to_numpy()[np.where(held, places, 0)], -1).astype(np.int32)
