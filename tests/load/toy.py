"""Small HTTP servers with known manners, in a process of their own: they stall, refuse, hang, close."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from shortlist.load.connection import Address
from shortlist.load.requests import ShortlistRequests, Who

_SERVER = """
import asyncio, itertools, json, sys, time

def answered(status, body, headers=""):
    content = json.dumps(body, separators=(",", ":")).encode()
    return f"HTTP/1.1 {status} X\\r\\n{headers}content-length: {len(content)}\\r\\n\\r\\n".encode() + content

numbers = itertools.count(1)
seen = {"users": [], "events": []}
WHOLE = {"degraded": [], "items": []}

%s

async def converse(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
            path = head.split()[1]
            length = int(head.partition("content-length: ")[2].split()[0]) if "content-length" in head else 0
            body = json.loads(await reader.readexactly(length)) if length else None
            if path == "/readyz":
                writer.write(answered(200, {"ready": True, "release": "r" * 64, "last_seq": 7}))
            elif path == "/metrics":
                text = f"process_cpu_seconds_total {time.process_time()}\\n"
                writer.write(f"HTTP/1.1 200 X\\r\\ncontent-length: {len(text)}\\r\\n\\r\\n{text}".encode())
            elif path == "/seen":
                writer.write(answered(200, seen))
            elif path == "/v1/events":
                seen["events"].append(body)
                writer.write(answered(200, {"results": []}))
            else:
                seen["users"].append(body["user"])
                said = await respond(next(numbers))
                if said is None:
                    break
                writer.write(said)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def toy(respond: str) -> Iterator[Address]:
    """Run a server whose answers to requests are made by `async def respond(number)`, given as source."""
    code = _SERVER % textwrap.dedent(respond)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield Address.of(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            server.kill()


def asking(address: Address, unknown: float = 0.0, **options) -> ShortlistRequests:
    return ShortlistRequests(address.host, "home", Who(["u1", "u2"], unknown), **options)
