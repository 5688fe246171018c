"""Every range of a log that is part segment, part tail, by every way to read it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import polars as pl

from log.kinds import KINDS, WATCH, batch_rows, block_of, record_rows, rows
from shortlist.log import Event, SqliteLog


def test_every_range_is_cut_where_it_says(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        for part in range(3):
            log.append([Event("like", {"user": f"{part}-{i}"}) for i in range(3)])
            log.append([Event("watch", {"user": f"{part}"})])
            block = [{"user": f"{part}", "video": f"v{i}", "features": [i, part]} for i in range(4)]
            log.submit_block(block_of(WATCH, block)).result()
            if part < 2:
                log.seal()
        everything = record_rows(log.read())
        assert len(everything) == 24
        for after, upto, max_rows in product(
            [0, 1, 4, 5, 9, 12, 18, 20, 22, 30], [0, 3, 6, 8, 10, 16, 19, 20, 21, 23, 24, 30], [1, 3, 100]
        ):
            wanted = everything[after:upto]
            batches = list(log.batches(after, upto, max_rows))
            assert batch_rows(batches) == wanted
            assert all(batch.last_seq - batch.first_seq < max_rows for batch in batches)
            assert record_rows(log.read(after, max_rows)) == everything[after : after + max_rows]
        for after, upto, kind in product([0, 2, 5, 9, 21], [0, 3, 6, 11, 20, 21, 22], ["like", "watch"]):
            of_kind = [row for row in everything[after:upto] if row[2] == kind]
            scan = log.scan(kind, after_seq=after, upto_seq=upto)
            assert rows(scan.columns()) == of_kind
            assert pl.DataFrame(scan)["seq"].to_list() == [row[0] for row in of_kind]
