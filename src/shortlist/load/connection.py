"""One HTTP/1.1 connection that never blocks and reads no more of an answer than it must."""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass

from shortlist.load.errors import LoadError

_CHUNK = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_URL = re.compile(r"http://(\[[0-9a-fA-F:.]+\]|[^/:\[\]]+)(?::([0-9]{1,5}))?/?")


class ConnectionBroken(Exception):
    """The connection is of no use any more, close it; the message is a short reason, to be counted by."""


@dataclass(frozen=True)
class Address:
    """Where the server listens, resolved once: a look-up amid the load would stall it."""

    url: str
    host: str
    family: int
    where: tuple[object, ...]

    @classmethod
    def of(cls, url: str) -> Address:
        """Resolve `http://host:port`.

        Raises:
            LoadError: when it is no such address, or the name is not known.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise LoadError(
                f"--url {url}",
                expected="http://host:port",
                received="another address",
                mend="Name the server itself, not what ends TLS before it: http://127.0.0.1:8000.",
            )
        name, port = found[1].strip("[]"), int(found[2] or 80)
        try:
            family, _, _, _, where = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise LoadError(
                f"--url {url}", expected="a known host", received=error.strerror, mend="Mend its name."
            ) from None
        return cls(url.rstrip("/"), f"{found[1]}:{port}", family, where)


@dataclass(frozen=True)
class HttpAnswer:
    """What came back: the status and the body."""

    status: int
    body: bytes


class Connection:
    """Connects when it first sends; one request at a time. After `close` it may send again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._unsent = b""
        self._read = bytearray()
        self._is_last = False

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector; there is one from `send` until `close`."""
        return self._open.fileno()

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    @property
    def wants_to_write(self) -> bool:
        """Whether some of the request is still here."""
        return bool(self._unsent)

    @property
    def is_spent(self) -> bool:
        """Whether the other side has closed, or said that it will; many do so to an idle connection."""
        if self._is_last:
            return True
        try:
            self._open.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True  # closed, or something nobody asked for

    def send(self, message: bytes) -> None:
        """Begin a request; what cannot leave at once waits for `flush`.

        Raises:
            ConnectionBroken: when there is no connection to be had.
        """
        self._unsent = message
        if self._socket is None:
            self._connect()
        else:
            self.flush()

    def flush(self) -> None:
        """Send what the socket takes, when it is writable.

        Raises:
            ConnectionBroken: when nobody listens, or the other side has closed.
        """
        failed = self._open.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise ConnectionBroken(_reason(failed))
        try:
            self._unsent = self._unsent[self._open.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionBroken(_reason(error.errno)) from None

    def read(self) -> HttpAnswer | None:
        """Read what came; return the answer when it is whole.

        Raises:
            ConnectionBroken: when the other side closed, or does not say how long its answer is.
        """
        try:
            chunk = self._open.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionBroken(_reason(error.errno)) from None
        if not chunk:
            raise ConnectionBroken("closed by the server")
        self._read += chunk
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._read[:end])
        length = _LENGTH.search(head)
        if length is None or not head[9:12].isdigit():
            raise ConnectionBroken("no answer with a length")
        size = end + 4 + int(length[1])
        if len(self._read) < size:
            return None
        answer = HttpAnswer(int(head[9:12]), bytes(self._read[end + 4 : size]))
        self._read.clear()
        self._is_last = _CLOSES.search(head) is not None
        return answer

    def close(self) -> None:
        """Forget the socket, and all that was on its way."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._unsent, self._is_last = None, b"", False
        self._read.clear()

    @property
    def _open(self) -> socket.socket:
        assert self._socket is not None, "send opens it"
        return self._socket

    def _connect(self) -> None:
        self._socket = socket.socket(self._address.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = self._socket.connect_ex(self._address.where)
        if failed not in (0, errno.EINPROGRESS):
            raise ConnectionBroken(_reason(failed))


def _reason(number: int | None) -> str:
    return os.strerror(number).lower() if number else "unknown"
