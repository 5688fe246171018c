"""Asking memory for what will be read soon, without waiting for it.

What a request looks up is scattered over memory, and each read there takes as long as hundreds of operations.
Those that are asked for together come together: a kernel that asks first for all and then reads them is
several times faster than one that waits for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

_FLAG, _BYTES = ir.IntType(32), ir.IntType(8).as_pointer()
_TO_READ, _OFTEN, _DATA = (ir.Constant(_FLAG, flag) for flag in (0, 3, 1))


def _prefetch(typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _FLAG, _FLAG, _FLAG])
        operation = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        at = builder.bitcast(builder.gep(data, [arguments[1]]), _BYTES)
        builder.call(operation, [at, _TO_READ, _OFTEN, _DATA])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


prefetch: Callable[[NDArray[Any], int], None] = intrinsic(_prefetch)
"""Ask for the cache line of a place in a C-contiguous array, counted in elements; one outside is ignored."""
