"""Array files: what is written comes back, mapped; whatever else a file holds is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from shortlist.arrays import ArrayFileError, read_array, write_array


def test_an_array_comes_back_read_only(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    write_array(tmp_path, "a", array)
    read = read_array(tmp_path, "a", np.int32, (None, 3))
    assert read.tolist() == array.tolist()
    assert not read.flags.writeable


@pytest.mark.parametrize(
    "shape", ["(2, 3)", "(7,)", f"({2**70},)", f"({2**40}, {2**40})", "(-1,)", "('a',)", "(" * 2000]
)
def test_other_shapes_and_impossible_ones_are_refused(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "a.npy").write_bytes(start + header + bytes(24))
    with pytest.raises(ArrayFileError, match=r"a\.npy"):
        read_array(tmp_path, "a", np.int32, (6,))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with zipfile.ZipFile(tmp_path / "zip", "w") as whole:
        whole.writestr("x", "y")
    contents = (b"", b"PK\x03\x04", (tmp_path / "zip").read_bytes(), b"\x80\x04\x95pickle", b"\x93NUMPY\x01")
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ArrayFileError, match=r"a\.npy"):
            read_array(tmp_path, "a", np.int32, (6,))
    np.save(path, np.array([None]), allow_pickle=True)
    with pytest.raises(ArrayFileError, match=r"a\.npy"):
        read_array(tmp_path, "a", np.int32, (1,))
