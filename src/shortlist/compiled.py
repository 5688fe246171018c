"""The one door to compiled kernels, so that numeric code stays typed and compiles once per machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays and numbers to machine code on its first call.

    The compiled code is cached on disk, releases the interpreter lock while it runs, and divides
    as NumPy does (by zero gives inf or NaN, not an exception).

    Args:
        function: a function in the subset of Python that Numba compiles.

    Returns:
        A callable with the same signature.
    """
    decorate = numba.njit(cache=True, nogil=True, error_model="numpy")
    return cast(Kernel, decorate(function))
