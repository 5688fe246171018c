"""Which names a server on this machine answers to, so that no web page reaches it under a name of its own.

A page of evil.example may let that name point at 127.0.0.1 (DNS rebinding); the browser then takes the server
for the page's own origin, and lets the page read every answer. The Host header still says evil.example.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from shortlist.online.problems import Fault, Problem, shown


def is_loopback(host: str) -> bool:
    """Say whether a name or an address, without a port, is this machine's own."""
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def require_loopback(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Let a request pass whose Host header is this machine's own, or absent: browsers always send one.

    Args:
        headers: lower-case names and values, as ASGI has them.

    Raises:
        Problem: misdirected.
    """
    for name, value in headers:
        if name == b"host" and not _is_own(value):
            fault = Fault.of(
                "host", expected="localhost or a loopback address", received=shown(value.decode("latin-1")),
                mend="Ask at 127.0.0.1, let a proxy send that Host, or serve with --host.",
            )  # fmt: skip
            raise Problem("misdirected", fault)


@lru_cache(1024)
def _is_own(value: bytes) -> bool:
    host = value.decode("latin-1")
    return is_loopback(host if host.endswith("]") else host.rpartition(":")[0] or host)
