"""Point-in-time features in DuckDB: events and window edges in one order, then running sums."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import numpy as np

from peers.windows import D1, D7, H1, matrix

_LAST = 20


def run(folder: Path, out: Path) -> dict[str, float]:
    con = duckdb.connect(config={"threads": "2"})
    for table in ("watches", "outcomes", "requests"):
        con.execute(
            f"CREATE VIEW {table} AS SELECT *, file_row_number AS n FROM "
            f"read_parquet('{folder}/{table}.parquet', file_row_number = true)"
        )
    started, cpu = time.perf_counter(), time.process_time()
    user = _sums(con, "watches", '"user"', [H1, D1, D7], ["1", "step"])
    item = _sums(con, "watches", "item", [H1, D1], ["1"])
    outcomes = _sums(con, "outcomes", "item", [D7], ["shown", "positive"])
    overall = _sums(con, "outcomes", "0", [D7], ["shown", "positive"])
    cross = _sums(con, "watches", '("user" * 1000 + topic)', [D7], ["1"])
    recent = _last(con)
    features = matrix(
        [user[0][0], user[1][0], user[2][0]], user[2][1], [item[0][0], item[1][0]],
        (outcomes[0][0], outcomes[0][1]), (overall[0][0], overall[0][1]), cross[0][0],
    )  # fmt: skip
    figures = {"features_s": time.perf_counter() - started, "features_cpu_s": time.process_time() - cpu}
    np.savez(out, matrix=features, last=recent)
    return figures


def _sums(
    con: duckdb.DuckDBPyConnection, table: str, key: str, windows: list[tuple[int, int]], lanes: list[str]
) -> list[list[np.ndarray]]:
    """Return sums[window][lane], int64[N]: what a head's running sum has above its tail's."""
    probes = [f"SELECT {key} AS k, t, n, 0 AS edge, {_zeros(lanes)} FROM requests"]
    probes += [
        f"SELECT {key} AS k, ((t - {window}) // {tile}) * {tile}, n, {edge}, {_zeros(lanes)} FROM requests"
        for edge, (window, tile) in enumerate(windows, start=1)
    ]
    added = ", ".join(f"({lane})::BIGINT AS x{i}" for i, lane in enumerate(lanes))
    running = ", ".join(f"sum(x{i}) OVER w AS s{i}" for i in range(len(lanes)))
    picked = ", ".join(
        f"(max(s{i}) FILTER (edge = 0) - max(s{i}) FILTER (edge = {edge}))::BIGINT AS v{edge}_{i}"
        for edge in range(1, len(windows) + 1)
        for i in range(len(lanes))
    )
    # A probe (edge >= 0) stands before an event (edge -1, put last) of the same moment.
    columns = con.execute(
        f"""
        WITH mixed AS (
            SELECT {key} AS k, t, NULL AS n, -1 AS edge, {added} FROM {table}
            UNION ALL {" UNION ALL ".join(probes)}
        ), summed AS (
            SELECT n, edge, {running} FROM mixed
            WINDOW w AS (PARTITION BY k ORDER BY t, edge DESC ROWS UNBOUNDED PRECEDING)
        )
        SELECT {picked} FROM summed WHERE edge >= 0 GROUP BY n ORDER BY n
        """
    ).fetchnumpy()
    return [
        [np.asarray(columns[f"v{edge}_{i}"]) for i in range(len(lanes))]
        for edge in range(1, len(windows) + 1)
    ]


def _zeros(lanes: list[str]) -> str:
    return ", ".join(f"0::BIGINT AS x{i}" for i in range(len(lanes)))


def _last(con: duckdb.DuckDBPyConnection) -> np.ndarray:
    """Return the last items int32[N, 20] of each request's user, newest first, -1 where they end."""
    columns = con.execute(
        f"""
        WITH numbered AS (
            SELECT "user", item, t, row_number() OVER (PARTITION BY "user" ORDER BY t) AS place FROM watches
        ), heads AS (
            SELECT r.n, r."user", h.place FROM requests r ASOF JOIN numbered h
            ON r."user" = h."user" AND r.t > h.t
        )
        SELECT h.n, back, e.item FROM (SELECT *, unnest(range({_LAST})) AS back FROM heads) h
        JOIN numbered e ON e."user" = h."user" AND e.place = h.place - h.back
        """
    ).fetchnumpy()
    (num_requests,) = con.execute("SELECT count(*) FROM requests").fetchone() or (0,)
    recent = np.full((num_requests, _LAST), -1, np.int32)
    recent[columns["n"], columns["back"]] = columns["item"]
    return recent
