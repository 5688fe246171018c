"""Every range of a log that is part segment, part tail, by every way to read it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from log.kinds import KINDS, batch_rows, record_rows, rows
from shortlist.log import Event, SqliteLog


def test_every_range_is_cut_where_it_says(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        for part in range(3):
            log.append([Event("like", {"user": f"{part}-{i}"}) for i in range(3)])
            log.append([Event("watch", {"user": f"{part}"})])
            if part < 2:
                log.seal()
        everything = record_rows(log.read())
        assert len(everything) == 12
        for after, upto, max_rows in product(
            [0, 1, 4, 5, 9, 12, 20], [0, 3, 4, 6, 8, 10, 12, 20], [1, 3, 100]
        ):
            wanted = everything[after:upto]
            batches = list(log.batches(after, upto, max_rows))
            assert batch_rows(batches) == wanted
            assert all(batch.last_seq - batch.first_seq < max_rows for batch in batches)
            assert record_rows(log.read(after, max_rows)) == everything[after : after + max_rows]
        for after, upto in product([0, 2, 5, 9], [0, 3, 6, 11]):
            likes = [row for row in everything[after:upto] if row[2] == "like"]
            assert rows(log.scan("like", after_seq=after, upto_seq=upto).columns()) == likes
