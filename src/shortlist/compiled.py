"""The one door to compiled kernels, so that numeric code stays typed and compiles once per machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays and numbers to machine code on its first call.

    The compiled code is cached on disk, releases the interpreter lock while it runs, and divides
    as NumPy does (by zero gives inf or NaN, not an exception).

    Args:
        function: a function in the subset of Python that Numba compiles.

    Returns:
        A callable with the same signature.
    """
    chosen = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = chosen or str(_cache_folder())
    try:
        decorate = numba.njit(cache=True, nogil=True, error_model="numpy")
        return cast(Kernel, decorate(function))
    finally:
        numba.config.CACHE_DIR = chosen


@cache
def _cache_folder() -> Path:
    """Return a folder for the machine code of exactly these kernels.

    Numba looks for changes only in the file of a kernel, not in those of the kernels it calls, and
    would go on running the old code of those: a new text of any kernel gets a new folder.
    """
    texts = (path.read_bytes() for path in sorted(_PACKAGE.rglob("*.py")))
    ours = (text for text in texts if b"@compiled" in text or b"intrinsic" in text)
    kernels = hashlib.sha256(b"".join(ours))
    inside = _PACKAGE / "__pycache__"
    home = inside if os.access(_PACKAGE, os.W_OK) else Path("~/.cache/shortlist").expanduser()
    return home / f"kernels-{kernels.hexdigest()[:16]}"
