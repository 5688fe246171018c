"""Messages survive the stream, wherever it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shortlist.log.frames import Append, FromKeeper, Kept, Refused, Rows, ToKeeper, Unframer, framed

body = st.text() | st.binary()
number = st.integers(0, 2**62)
event = st.tuples(st.text(), st.none() | number, st.none() | st.text(), body, number)
row = st.tuples(number, number, st.text(), number, st.none() | st.text(), body, number)
to_keeper = st.builds(Append, number, st.booleans(), st.lists(event, max_size=3))
from_keeper = (
    st.builds(Rows, st.lists(row, max_size=3))
    | st.builds(Kept, st.lists(st.tuples(number, st.lists(st.tuples(number, st.booleans()))), max_size=3))
    | st.builds(Refused, number, st.text(), st.text())
)


def received(type_, messages, cuts):
    stream = b"".join(map(framed, messages))
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    unframer = Unframer(type_)
    begins = [0, *ends[:-1]]
    return [one for begin, end in zip(begins, ends, strict=True) for one in unframer.feed(stream[begin:end])]


@given(st.lists(to_keeper, max_size=4), st.lists(st.integers(0, 400), max_size=8))
def test_what_goes_to_the_keeper(messages, cuts):
    assert received(ToKeeper, messages, cuts) == messages


@given(st.lists(from_keeper, max_size=4), st.lists(st.integers(0, 400), max_size=8))
def test_what_comes_from_the_keeper(messages, cuts):
    assert received(FromKeeper, messages, cuts) == messages
