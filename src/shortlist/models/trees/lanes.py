"""Vector operations for `@compiled` kernels: one step for 64 rows of bytes, or for 16 thresholds.

Numba leaves loops to LLVM's vectoriser, which tests for overlapping arrays at each call, and does not see
that a mask's bits can be counted. These name LLVM's own vector operations instead, and LLVM lowers them to
what the processor has. Rows are given by their place in a flat uint8 array; nothing checks bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES = 64
"""Rows of one step."""

THRESHOLDS = 16
"""Thresholds of one step."""

WORDS = 8
"""Words of 64 rows in a set of rows."""

_Bytes = NDArray[np.uint8]
_INT64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_FLOATS = ir.VectorType(ir.FloatType(), THRESHOLDS)
_VALUES = ir.VectorType(ir.FloatType(), LANES)
_WORDS = ir.VectorType(_INT64, WORDS)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, place: Any, vector: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def _load(builder: Any, pointer: Any, align: int = 1) -> Any:
    loaded = builder.load(pointer)
    loaded.align = align
    return loaded


def _store(context: Any, builder: Any, value: Any, pointer: Any) -> Any:
    builder.store(value, pointer).align = 1
    return context.get_dummy_value()


def _splat(builder: Any, scalar: Any, vector: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), first)


def _lies_in(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return which of 64 bytes are in low..low + span; the arguments are an operation's first six."""
    bytes_at = _pointer(context, builder, signature.args[2], arguments[2], arguments[3], _BYTES)
    above = builder.sub(_load(builder, bytes_at), _splat(builder, arguments[4], _BYTES))
    return builder.icmp_unsigned("<=", above, _splat(builder, arguments[5], _BYTES))


def _num_below(typing: Any, table: Any, place: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _FLOATS)
        value_everywhere = _splat(builder, arguments[2], _FLOATS)
        below = builder.fcmp_ordered("<", _load(builder, table_at, align=4), value_everywhere)
        return builder.zext(builder.ctpop(builder.bitcast(below, ir.IntType(THRESHOLDS))), _INT64)

    return types.int64(table, types.int64, types.float32), generate


def _choose_leaves(
    typing: Any, out: Any, o: Any, bins: Any, b: Any, low: Any, span: Any, inside: Any, outside: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lies_in = _lies_in(context, builder, signature, arguments)
        inside, outside = (_splat(builder, leaf, _BYTES) for leaf in arguments[6:8])
        out_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _BYTES)
        return _store(context, builder, builder.select(lies_in, inside, outside), out_at)

    byte = types.uint8
    return types.void(out, types.int64, bins, types.int64, byte, byte, byte, byte), generate


def _put_leaf(typing: Any, out: Any, o: Any, bins: Any, b: Any, low: Any, span: Any, leaf: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lies_in = _lies_in(context, builder, signature, arguments)
        out_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _BYTES)
        leaf = _splat(builder, arguments[6], _BYTES)
        return _store(context, builder, builder.select(lies_in, leaf, _load(builder, out_at)), out_at)

    byte = types.uint8
    return types.void(out, types.int64, bins, types.int64, byte, byte, byte), generate


def _put_row(typing: Any, out: Any, o: Any, bins: Any, b: Any, low: Any, span: Any, taken: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lies_in = _lies_in(context, builder, signature, arguments)
        out_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _BYTES)
        taken_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[6], _BYTES)
        chosen = builder.select(lies_in, _load(builder, taken_at), _load(builder, out_at))
        return _store(context, builder, chosen, out_at)

    byte, place = types.uint8, types.int64
    return types.void(out, place, bins, place, byte, byte, place), generate


def _mark_missing(typing: Any, out: Any, o: Any, given: Any, values: Any, v: Any, byte: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values_at = _pointer(context, builder, values, arguments[3], arguments[4], _VALUES)
        value = _load(builder, values_at, align=4)
        is_missing = builder.fcmp_unordered("uno", value, value)
        return _mark(context, builder, signature, arguments, is_missing)

    return types.void(out, types.int64, types.int64, values, types.int64, types.uint8), generate


def _mark_zero(typing: Any, out: Any, o: Any, given: Any, values: Any, v: Any, byte: Any, zero: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values_at = _pointer(context, builder, values, arguments[3], arguments[4], _VALUES)
        value = _load(builder, values_at, align=4)
        above = builder.fcmp_ordered("<=", _splat(builder, builder.fneg(arguments[6]), _VALUES), value)
        below = builder.fcmp_ordered("<=", value, _splat(builder, arguments[6], _VALUES))
        return _mark(context, builder, signature, arguments, builder.and_(above, below))

    place = types.int64
    return types.void(out, place, place, values, place, types.uint8, types.float32), generate


def _mark(context: Any, builder: Any, signature: Any, arguments: Any, chosen: Any) -> Any:
    out_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _BYTES)
    given_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[2], _BYTES)
    byte = _splat(builder, arguments[5], _BYTES)
    return _store(context, builder, builder.select(chosen, byte, _load(builder, given_at)), out_at)


def _mark_members(typing: Any, out: Any, o: Any, rows_of: Any, member: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        members = context.make_array(member)(context, builder, arguments[3])
        count = builder.extract_value(members.shape, 0)
        rows = cgutils.alloca_once_value(builder, ir.Constant(_WORDS, [0] * WORDS))
        with cgutils.for_range(builder, count) as loop:
            number = builder.zext(builder.load(builder.gep(members.data, [loop.index])), _INT64)
            first_word = builder.mul(number, ir.Constant(_INT64, WORDS))
            of_category = _pointer(context, builder, rows_of, arguments[2], first_word, _WORDS)
            builder.store(builder.or_(builder.load(rows), _load(builder, of_category, align=8)), rows)
        zeros, ones = ir.Constant(_BYTES, [0] * LANES), ir.Constant(_BYTES, [255] * LANES)
        for step in range(WORDS):
            word = builder.extract_element(builder.load(rows), ir.Constant(ir.IntType(32), step))
            is_member = builder.bitcast(word, ir.VectorType(ir.IntType(1), LANES))
            place = builder.add(arguments[1], ir.Constant(_INT64, step * LANES))
            out_at = _pointer(context, builder, out, arguments[0], place, _BYTES)
            _store(context, builder, builder.select(is_member, zeros, ones), out_at)
        return context.get_dummy_value()

    return types.void(out, types.int64, rows_of, member), generate


num_below: Callable[[NDArray[np.float32], int, np.float32], int] = intrinsic(_num_below)
"""Of `table[place : place + 16]`, how many are below the value; none is below NaN."""

choose_leaves: Callable[[_Bytes, int, _Bytes, int, np.uint8, np.uint8, np.uint8, np.uint8], None]
choose_leaves = intrinsic(_choose_leaves)
"""Write into 64 bytes of `out` one leaf where `low <= bins <= low + span`, and the other elsewhere."""

put_leaf: Callable[[_Bytes, int, _Bytes, int, np.uint8, np.uint8, np.uint8], None] = intrinsic(_put_leaf)
"""Write a leaf into 64 bytes of `out` where `low <= bins <= low + span`; leave the others."""

put_row: Callable[[_Bytes, int, _Bytes, int, np.uint8, np.uint8, int], None] = intrinsic(_put_row)
"""Copy bytes of `out` from `taken` on to place `o` on where `low <= bins <= low + span`, of 64."""

mark_missing: Callable[[_Bytes, int, int, NDArray[np.float32], int, np.uint8], None]
mark_missing = intrinsic(_mark_missing)
"""Copy 64 bytes of `out` from place `given` to place `o`, and a byte where the values at `v` are NaN."""

mark_zero: Callable[[_Bytes, int, int, NDArray[np.float32], int, np.uint8, np.float32], None]
mark_zero = intrinsic(_mark_zero)
"""Copy 64 bytes likewise, and a byte where the values are between minus and plus `zero`."""

mark_members: Callable[[_Bytes, int, NDArray[np.uint64], NDArray[np.int32]], None]
mark_members = intrinsic(_mark_members)
"""Write 512 bytes: 0 for the rows whose bit is set in one of the `member` sets of 8 words, 255 for others."""
