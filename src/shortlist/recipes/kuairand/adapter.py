"""KuaiRand-Pure as the sources that a log imports.

When the log would have known of what followed an impression is not in the data: a row carries one
time, that of the impression. A click is put one second after it, everything else at the end of the
watching, `play_time_ms` after the impression (a second at least). So no feature sees an outcome
before a live system could have.

The earlier history, up to 50 items of each kind, carries only the time of its last item. All of it is
put there, one millisecond apart and in order, so that nothing is known too early; watch times are not
in it, and `earlier` marks it. It is left out for users for whom it does not end before their first
impression (three).

5,868 impressions are in the data twice, to the millisecond. All rows are kept, so that figures compare
with those of others; a label goes to one row of such a pair, the last.

KuaiRand's item counters (`show_cnt`, `like_cnt`, ...) are totals over the whole period, a leak from
the future, and are not read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from shortlist.log import HistorySource

# Attributes are logged at midnight of 9 April in Beijing, when the first videos were uploaded: the data set
# does not date them.
KNOWN_FROM_US = int(datetime(2022, 4, 8, 16, tzinfo=UTC).timestamp()) * 1_000_000

_USERS = f"""
SELECT user_id, user_active_degree AS active_degree, is_lowactive_period AS low_active,
    is_live_streamer AS live_streamer, is_video_author AS video_author, follow_user_num_range AS follows,
    fans_user_num_range AS fans, friend_user_num_range AS friends, register_days_range AS registered,
    register_days, COLUMNS('onehot_(feat.*)')::BIGINT AS "\\1", {KNOWN_FROM_US} AS time_us
FROM 'user_features_pure.csv' ORDER BY user_id
"""

_VIDEOS = f"""
SELECT video_id, author_id AS author, video_type AS kind, upload_type AS upload,
    split_part(tag, ',', 1) AS tag, music_id AS music, music_type::BIGINT AS music_kind,
    video_duration / 1000 AS duration_s,
    epoch_us(upload_dt::TIMESTAMP - INTERVAL 8 HOUR) AS published, {KNOWN_FROM_US} AS time_us
FROM 'video_features_basic_pure.csv' ORDER BY video_id
"""

_IMPRESSIONS = """
CREATE VIEW impressions AS
SELECT user_id, video_id, tab, time_ms, user_id || '-' || time_ms AS request_id,
    time_ms + 1000 AS click_ms, time_ms + greatest(play_time_ms, 1000) AS end_ms,
    play_time_ms / 1000 AS watch_s, is_click, long_view, is_like, is_follow, false AS earlier
FROM (FROM 'val.parquet' UNION ALL BY NAME FROM 'test.parquet')
"""

_EARLIER = """
CREATE VIEW earlier AS
SELECT sequences.* FROM 'user_sequences.parquet' AS sequences
LEFT JOIN (SELECT user_id, min(time_ms) AS first_ms FROM impressions GROUP BY user_id) USING (user_id)
WHERE last_time_ms < first_ms OR first_ms IS NULL
"""


def history_sources(folder: Path) -> list[HistorySource]:
    """Read the data set.

    Args:
        folder: the folder `kuairand-pure`, with its Parquet and CSV files.

    Returns:
        Updates of users and videos, earlier events, impressions, then their outcomes: events of the
        same microsecond keep this order in the log. Rows without an id: import them once.
    """
    with duckdb.connect() as connection:
        connection.execute(f"SET file_search_path = '{str(folder).replace(chr(39), chr(39) * 2)}'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_IMPRESSIONS)
        connection.execute(_EARLIER)
        return [
            _updates("user", connection.execute(_USERS).fetchnumpy()),
            _updates("video", connection.execute(_VIDEOS).fetchnumpy()),
            _earlier(connection, "watch", "watch_seq"),
            _earlier(connection, "long_view", "long_watch_seq"),
            _earlier(connection, "like", "like_seq"),
            _rows(connection, "impression", "true", "time_ms", ["tab", "request_id"]),
            _rows(connection, "click", "is_click = 1", "click_ms", ["tab"]),
            _rows(connection, "watch", "watch_s > 0", "end_ms", ["watch_s", "tab", "earlier"]),
            _rows(connection, "long_view", "long_view = 1", "end_ms", ["earlier"]),
            _rows(connection, "like", "is_like = 1", "end_ms", ["earlier"]),
            _rows(connection, "follow", "is_follow = 1", "end_ms"),
        ]


def _updates(entity: str, columns: dict[str, Any]) -> HistorySource:
    attributes = {name: name for name in columns if name not in (f"{entity}_id", "time_us")}
    return HistorySource(entity, columns, {entity: f"{entity}_id", **attributes}, time="time_us")


def _rows(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    condition: str,
    time: str,
    fields: list[str] | None = None,
) -> HistorySource:
    names = ["user_id", "video_id", *(fields or []), time]
    query = f"SELECT {', '.join(names)} FROM impressions WHERE {condition} ORDER BY {time}, user_id, video_id"
    columns = connection.execute(query).fetchnumpy()
    return _event(kind, columns, fields or [], time)


def _earlier(connection: duckdb.DuckDBPyConnection, kind: str, sequence: str) -> HistorySource:
    # Oldest first: the last item of a list is the one at last_time_ms.
    query = f"""
    SELECT user_id, {sequence}[place] AS video_id, true AS earlier,
        last_time_ms - (len({sequence}) - place) AS time_ms
    FROM earlier, range(1, len({sequence}) + 1) AS places(place) ORDER BY time_ms, user_id, place
    """
    return _event(kind, connection.execute(query).fetchnumpy(), ["earlier"], "time_ms")


def _event(kind: str, columns: dict[str, Any], fields: list[str], time: str) -> HistorySource:
    named = {"user": "user_id", "video": "video_id", **{field: field for field in fields}}
    return HistorySource(kind, columns, named, time=time, time_unit="ms")
