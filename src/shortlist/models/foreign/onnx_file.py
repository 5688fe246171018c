"""Is an ONNX file data only: its own weights, and operators of the standard alone?

A runtime that reads an operator of another domain needs a library that knows it, which is code; a tensor
may lie in another file, by a path that leaves the release. Both are refused before any runtime sees the
file. The file is read as the protocol buffers that it is, by the field numbers of `onnx.proto3`, without
copying weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from shortlist.models.errors import ModelFileError

STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 64  # of graphs in graphs

# What lies inside what: by the kind of message, the kind of each field that is a message.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}
_DOMAIN = {"node": 7, "opset": 1}
_MODEL_FUNCTIONS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 25, 13, 14


def check_onnx(data: bytes, name: str) -> None:
    """Refuse an ONNX file that is more than data.

    Args:
        data: the file.
        name: of the file, for the message.

    Raises:
        ModelFileError: when it is no ONNX file, is cut, or has an operator of another domain, functions of
            its own, or tensors in other files.
    """
    try:
        found = dict.fromkeys(field for field, _ in _fields(memoryview(data)))
        if 7 not in found or 8 not in found:
            raise _Refused("is no ONNX model: it has no graph, or does not say which operators it needs")
        _check(memoryview(data), "model", 0)
    except _Refused as refused:
        raise ModelFileError(
            f"{name}: {refused}. Expected an ONNX model of standard operators with its weights inside: "
            "save it with onnx.save(model, path, save_as_external_data=False)."
        ) from refused


class _Refused(Exception):
    """Why a file is refused."""


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise _Refused("has graphs inside graphs without end")
    inside = _INSIDE[kind]
    for field, value in _fields(message):
        if field in inside:
            if not isinstance(value, memoryview):
                raise _Refused(f"is damaged: a {kind} without its {inside[field]}")
            _check(value, inside[field], depth + 1)
        elif kind in _DOMAIN and field == _DOMAIN[kind] and isinstance(value, memoryview):
            domain = bytes(value).decode("utf-8", "replace")
            if domain not in STANDARD_DOMAINS:
                raise _Refused(f"needs operators of the domain {domain!r}")
        elif kind == "model" and field == _MODEL_FUNCTIONS:
            raise _Refused("has functions of its own; inline them with onnx.inliner.inline_local_functions")
        elif kind == "tensor" and (field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0)):
            raise _Refused("keeps weights in another file")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number of each field of a message, and its number or its bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        if tag >> 32:  # a runtime drops what is above, and would read another field than is judged here
            raise _Refused("is damaged: a field's number takes more than 32 bits")
        field, wire = tag >> 3, tag & 7
        value: int | memoryview
        if wire == _VARINT:
            value, place = _varint(message, place)
        elif wire in (_FIXED64, _FIXED32, _BYTES):
            length = 8 if wire == _FIXED64 else 4
            if wire == _BYTES:
                length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
            if len(value) != length:
                raise _Refused("is cut")
        else:
            raise _Refused("is no ONNX model, or is damaged")
        yield field, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise _Refused("is no ONNX model, or is cut")
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
