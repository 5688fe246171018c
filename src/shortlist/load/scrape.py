"""What the server says of itself: which release serves, its processor time, its memory, its log."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from shortlist.load.connection import Address
from shortlist.load.errors import ServerGone

_TIMEOUT_S = 30.0
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Scrape:
    """One look at /readyz and /metrics; None for what is not told there. Of several processes it is the sum.

    Args:
        release: the id of the release that serves.
        cpu_s: processor seconds that the server has used so far; less, when a process of it was replaced.
        resident_bytes: its memory.
        state_bytes: of it, the online features.
        last_seq: how many records the log holds.
    """

    release: str | None
    cpu_s: float | None
    resident_bytes: float | None
    state_bytes: float | None
    last_seq: int | None


def scrape(address: Address) -> Scrape:
    """Look at a server.

    Raises:
        ServerGone: when it does not answer, or not as a Shortlist server that is ready.
    """
    ready = json.loads(_get(address, "/readyz"))
    samples = _SAMPLE.findall(_get(address, "/metrics").decode())

    def told(wanted: str) -> float | None:
        values = [float(value) for name, value in samples if name == wanted]
        return sum(values) if values else None

    return Scrape(
        ready.get("release"),
        told("process_cpu_seconds_total"),
        told("process_resident_memory_bytes"),
        told("shortlist_state_bytes"),
        ready.get("last_seq"),
    )


def _get(address: Address, path: str) -> bytes:
    # Past any proxy: what is measured is the server.
    try:
        with build_opener(ProxyHandler({})).open(f"{address.url}{path}", timeout=_TIMEOUT_S) as answer:
            body: bytes = answer.read()
            return body
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServerGone(
            f"{address.url}{path}: expected a Shortlist server that is ready, received {reason}. "
            "Start one: shortlist serve."
        ) from None
