"""A scan: one kind's rows over a range of the log, as columns or as an Arrow stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shortlist.log import duck
from shortlist.log.bodies import BodyCodec, TailRow
from shortlist.log.columns import Columns, concatenate
from shortlist.log.schema import EventSchema
from shortlist.log.segments import SegmentFolder
from shortlist.log.tables import Segment


class Scan:
    """The rows as they stood when the scan was made; later appends do not show.

    Args:
        folder: where the segments are.
        sealed: the segments of the range.
        unsealed: the kind's rows of the tail, in the range.
        schema: the kind, with only the wanted fields.
        after_seq: the range begins after this position.
        upto_seq: and ends with this one.
    """

    def __init__(
        self,
        folder: SegmentFolder,
        sealed: Sequence[Segment],
        unsealed: Sequence[TailRow],
        schema: EventSchema,
        after_seq: int,
        upto_seq: int,
    ) -> None:
        self._folder = folder
        self._sealed = sealed
        self._unsealed = unsealed
        self._schema = schema
        self._range = (after_seq, upto_seq)

    def columns(self) -> Columns:
        """Return the rows as NumPy columns, in `seq` order."""
        sealed = self._folder.columns(self._sealed, self._schema, *self._range) if self._sealed else None
        unsealed = BodyCodec(self._schema).columns(self._unsealed)
        return unsealed if sealed is None else concatenate([sealed, unsealed])

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the rows as an Arrow stream: `seq`, `log_time_us`, `event_time_us`, `id`, the fields.

        Polars, PyArrow, pandas and DuckDB take it as it is: `polars.DataFrame(scan)`.
        """
        cursor = self._folder.cursor()
        sealed = self._folder.sql(self._sealed, self._schema, *self._range)
        unsealed = duck.tail_sql(cursor, BodyCodec(self._schema), self._unsealed)
        relation: Any = cursor.sql(f"{sealed} UNION ALL ({unsealed})" if sealed else unsealed)
        stream: object = relation.__arrow_c_stream__(requested_schema)
        return stream
