"""Labels against a dictionary of last impressions, through growth, release and restart."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.kernels.attribution import Attribution

Row = tuple[bool, int, int, int, int]  # is_impression, label bits, user, item, time


class NaiveAttribution:
    def __init__(self, within: list[int]) -> None:
        self.within = within
        self.pending: dict[tuple[int, int], tuple[int, int, set[int]]] = {}

    def apply(self, row: Row, seq: int) -> tuple[int, int]:
        is_impression, bits, user, item, time = row
        if user < 0 or item < 0:
            return 0, 0
        if is_impression:
            self.pending[user, item] = (time, seq, set())
            return 0, 0
        shown_at, shown_seq, done = self.pending.get((user, item), (0, 0, set(range(62))))
        new = [
            label
            for label, within in enumerate(self.within)
            if bits & 1 << label and label not in done and time - shown_at < within
        ]
        done.update(new)
        return sum(1 << label for label in new), shown_seq if new else 0


@settings(max_examples=200, deadline=None)
@given(
    within=st.one_of(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.just([5] * 62)),
    batches=st.lists(
        st.tuples(
            st.sampled_from(["go on", "release", "restart"]),
            st.lists(
                st.tuples(
                    st.booleans(),
                    st.integers(0, 2**62 - 1),
                    st.integers(-1, 5),
                    st.integers(-1, 5),
                    st.sampled_from([0, 0, 1, 4, 25]),
                ),
                max_size=40,
            ),
        ),
        max_size=8,
    ),
)
def test_it_converts_the_last_impression_once_per_label(
    within: list[int], batches: list[tuple[str, list[Row]]]
) -> None:
    attribution, naive = Attribution(within), NaiveAttribution(within)
    now, seq = -50, 0
    for step, drawn in batches:
        rows, seqs = [], []
        for is_impression, bits, user, item, gap in drawn:
            now, seq = now + gap, seq + 1
            rows.append((is_impression, bits & ((1 << len(within)) - 1), user, item, now))
            seqs.append(seq)
        expected = [naive.apply(row, row_seq) for row, row_seq in zip(rows, seqs, strict=True)]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
        converted, impression_seq = attribution.apply(columns[0] == 1, *columns[1:], np.array(seqs))
        assert list(zip(converted.tolist(), impression_seq.tolist(), strict=True)) == expected
        if step == "release":
            attribution.release(now)
        elif step == "restart":
            attribution = Attribution.restore(within, attribution.snapshot())


def test_pending_impressions_are_bounded_by_the_window_not_by_the_history() -> None:
    attribution = Attribution([1_000, 10])
    num_rows = 300_000
    rows = np.arange(num_rows)
    attribution.apply(np.ones(num_rows, dtype=np.bool_), rows * 0, rows, rows, rows, rows)
    assert len(attribution) < 5_000
    assert attribution.nbytes < 1_000 * 400
    freed = attribution.release(num_rows + 2_000)
    assert freed > 0
    assert len(attribution) == 0
