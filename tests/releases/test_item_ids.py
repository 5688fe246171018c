"""Ids on disk read as the list they were."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.arrays import ArrayFileError
from shortlist.releases.item_ids import ItemIds


def encodable(text):
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


@settings(deadline=None)
@given(st.lists(st.text(max_size=12).filter(encodable), max_size=50), st.data())
def test_they_read_as_the_list(tmp_path_factory, ids, data):
    folder = tmp_path_factory.mktemp("ids")
    ItemIds.of(ids).save(folder)
    read = ItemIds.load(folder)
    assert len(read) == len(ids)
    assert list(read) == ids
    part = data.draw(st.slices(len(ids)))
    assert read[part] == ids[part]
    for number in range(-len(ids), len(ids)):
        assert read[number] == ids[number]
    for beyond in (len(ids), -len(ids) - 1):
        with pytest.raises(IndexError):
            read[beyond]


few = st.lists(st.text("abé", max_size=2), max_size=6)


@given(few, few, few)
def test_what_two_begin_with_is_counted(same, ours, theirs):
    ours, theirs = same + ours, same + theirs
    common = [*takewhile(lambda both: both[0] == both[1], zip(ours, theirs, strict=False))]
    assert ItemIds.of(ours).num_common(ItemIds.of(theirs)) == len(common)


def test_more_than_are_decoded_at_once():
    ids = [f"item-{number}" for number in range(5000)]
    assert list(ItemIds.of(ids)) == ids


@pytest.mark.parametrize(
    "starts", [[], [1, 4], [0, 3], [0, 5], [0, 3, 2, 4]], ids=["none", "late", "short", "long", "back"]
)
def test_starts_that_do_not_fit_the_text_are_refused(tmp_path, starts):
    ItemIds.of(["ab", "cd"]).save(tmp_path)
    np.save(tmp_path / "item_starts.npy", np.array(starts, np.int64))
    with pytest.raises(ArrayFileError, match="item_starts"):
        ItemIds.load(tmp_path)


@pytest.mark.parametrize("text", [b"a\xff\xfeb", "é".encode()[:1] + b"abc"])
def test_text_that_is_no_utf8_is_refused(tmp_path, text):
    ItemIds.of(["ab", "cd"]).save(tmp_path)
    np.save(tmp_path / "item_ids.npy", np.frombuffer(text, np.uint8))
    with pytest.raises(ArrayFileError, match="UTF-8"):
        ItemIds.load(tmp_path)


def test_an_id_that_begins_inside_a_letter_is_refused(tmp_path):
    ItemIds.of(["aé", "c"]).save(tmp_path)
    np.save(tmp_path / "item_starts.npy", np.array([0, 2, 4], np.int64))
    with pytest.raises(ArrayFileError, match="inside a letter"):
        ItemIds.load(tmp_path)
